"""`check("topic/step")` and `progress()` as a notebook calls them.

`check` shows a report and returns the points as a plain number: the cell's numeric result is what nbgrader reads as
partial credit. Nothing goes to stderr, which nbgrader would take for a failure: a student's warnings show up in the
cell's output. Where student code runs while it is graded, the runner replaces this `check` by
one that does nothing: there the referee judges (grading/run.py).
"""

import contextlib
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path

import platformdirs
from IPython import get_ipython
from IPython.display import display

from quintet import checks, show
from quintet.checks import report
from quintet.student import loopback


def check(id: str) -> float:
    """Check one step of the notebook that calls this: show what was found and return the points.

    Raises LookupError when there is no such check.
    """
    shell = get_ipython()
    namespace = shell.user_ns if shell is not None else sys._getframe(1).f_globals
    known = checks.find(id).misconceptions()
    with contextlib.redirect_stderr(sys.stdout):
        result = checks.run(id, loopback(namespace), checks.public_rng(id))
    display(show.Piece(report.as_html(result, known), report.text(result, known)))
    _remember(result)
    return float(result.points)


def progress() -> show.Piece:
    """A table of what this user's self-checks found last and at best, over all labs."""
    remembered = _load()
    rows = [
        {
            "check": id,
            "last": r["last"],
            "best": r["best"],
            "of": r["max"],
            "when (UTC)": str(r["when"])[:16].replace("T", " "),
        }
        for id, r in sorted(remembered.items())
    ]
    if not rows:
        return show.Piece("<p>No check has run yet.</p>", "No check has run yet.")
    best, of = sum(r["best"] for r in rows), sum(r["of"] for r in rows)
    return show.table(rows, caption=f"{best:g} of {of:g} points at best, in the steps tried so far")


def _file() -> Path:
    return Path(os.environ.get("QUINTET_STATE") or platformdirs.user_state_dir("quintet")) / "progress.json"


def _load() -> dict:
    """What was remembered; a file that cannot be read counts as none, since it is only a convenience."""
    try:
        rows = json.loads(_file().read_text(encoding="utf-8"))
        numbers = ("last", "best", "max")
        return {str(k): {**{n: float(r[n]) for n in numbers}, "when": str(r["when"])} for k, r in rows.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}


def _remember(result: checks.Result) -> None:
    rows = _load()
    best = max(result.points, rows.get(result.id, {}).get("best", 0.0))
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows[result.id] = {"last": result.points, "best": best, "max": result.max, "when": when}
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=_file().parent, delete=False, encoding="utf-8") as out:
            json.dump(rows, out, indent=1)
        try:
            os.replace(out.name, _file())
        except OSError:
            os.unlink(out.name)
            raise
    except OSError as error:
        print(f"Progress was not saved ({error.strerror}); the points above are right all the same.")
