"""Policy: what a course decides about time, attempts and seeds, read from `course.toml` in the course's folder.

A missing file means that nothing is decided: no deadlines, three attempts, the ordinary limits. An example of all there
is (lab and student names with dots or spaces stand in quotes):

    [limits]                              # of job.Limits, for everybody
    total_seconds = 900

    [labs.2_1_amp]
    due = 2026-12-01T23:59:00+01:00       # with its offset
    attempts = 3                          # the best of them counts

    [students.anna]
    extra_time = 1.5                      # times the time limits

    [students.anna.extensions]
    2_1_amp = 2026-12-03T23:59:00+01:00   # or days, as in 2_1_amp = 2

    [students.anna.attempts]
    2_1_amp = 5

**What an attempt is.** A file that a student hands in for a lab, different (by SHA-256) from those before, that is a
submission of that lab and was judged: its state is `graded` or `limited`. Attempts are numbered from 1 in the order in
which they were first judged. So these use none up: the same file again, also an earlier one; a regrade of it under
another version, which replaces the attempt's score; `ungraded`, which is our fault; a file that is no submission of the
lab (`Intake.reason`), which shows the student nothing about the checks. What is handed in after the last attempt is not
judged. The best score counts, of equal ones the latest (record.py).

**Seeds.** One key a lab and deadline, the same for all its students, extensions included: equal work gets equal grades,
and a rerun repeats them. Only who holds the course's key can foresee them. Moving a lab's deadline changes them; so
does `reseed`, for when a key may have leaked, which `seeds.json` counts.
"""

import dataclasses
import fcntl
import hashlib
import hmac
import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from quintet_grading import GradingFault, Refusal
from quintet_grading.course import ROOT, labs, release, solution
from quintet_grading.job import Limits

ATTEMPTS = 3
YEARS = range(2000, 3000)  # others are slips of the pen, and the first and last cannot be converted to UTC


@dataclass(frozen=True)
class LabPolicy:
    due: datetime | None = None
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class StudentPolicy:
    extra_time: float = 1.0
    extensions: Mapping[str, timedelta] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A course's decisions. `reseeds`: how often each lab's seeds were changed by hand."""

    ordinary: Limits = Limits()
    labs: Mapping[str, LabPolicy] = field(default_factory=dict)
    students: Mapping[str, StudentPolicy] = field(default_factory=dict)
    reseeds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Policy":
        """What course.toml and seeds.json in the course's folder say. Raises Refusal that names file, key and what is
        expected there."""
        toml = _toml(folder / "course.toml")
        top = _Table(str(folder / "course.toml"), "", toml, ("limits", "labs", "students"))
        of_labs = {name: _lab(table) for name, table in top.tables("labs", known=labs())}
        of_students = {name: _student(table, of_labs) for name, table in top.tables("students")}
        return cls(_limits(top), of_labs, of_students, _reseeds(folder / "seeds.json"))

    def limits(self, student: str, lab: str) -> Limits:
        return self.ordinary.slower(self._student(student).extra_time)

    def attempts(self, student: str, lab: str) -> int:
        return self._student(student).attempts.get(lab, self._lab(lab).attempts)

    def deadline(self, lab: str) -> datetime | None:
        """The lab's own, without extensions; nbgrader calls it the assignment's duedate."""
        return self._lab(lab).due

    def due(self, student: str, lab: str) -> datetime | None:
        """The student's, with an extension."""
        deadline = self.deadline(lab)
        return deadline and deadline + self.extension(student, lab)

    def extension(self, student: str, lab: str) -> timedelta:
        return self._student(student).extensions.get(lab, timedelta())

    def _lab(self, lab: str) -> LabPolicy:
        return self.labs.get(lab, LabPolicy())

    def _student(self, student: str) -> StudentPolicy:
        return self.students.get(student, StudentPolicy())


# ---- course.toml


def _toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # bad TOML and bad UTF-8 are ValueErrors
        raise Refusal(f"{path} is not a readable TOML file: {error}") from None


class _Table:
    """A table of course.toml that knows where it stands, so that a mistake in it can be named."""

    def __init__(self, file: str, name: str, values: object, keys: Iterable[str] | None = None):
        self.file, self.name = file, name
        if not isinstance(values, dict):
            raise Refusal(f"{file}: [{name}] must be a table, got {values!r}")
        self.values = values
        for key in values:
            if keys is not None and key not in keys:
                raise Refusal(f"{file}: there is no {self._full(key)}; expected one of: {', '.join(keys) or 'none'}")

    def _full(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def table(self, key: str, keys: Iterable[str] | None = None) -> "_Table":
        return _Table(self.file, self._full(key), self.values.get(key, {}), keys)

    def tables(self, key: str, known: list[str] | None = None) -> list[tuple[str, "_Table"]]:
        table = self.table(key, known)
        return [(name, table.table(name)) for name in table.values]

    def wrong(self, key: str, expected: str) -> Refusal:
        got = " ".join(str(self.values[key]).split())[:60]
        return Refusal(f"{self.file}: {self._full(key)} must be {expected}, got {got}")

    def only(self, *keys: str) -> "_Table":
        return _Table(self.file, self.name, self.values, keys)

    def whole(self, key: str, otherwise: int) -> int:
        value = self.values.get(key, otherwise)
        if type(value) is not int or value < 1:
            raise self.wrong(key, "a whole number of at least 1")
        return value

    def number(self, key: str, otherwise: float, least: float, most: float, expected: str) -> float:
        value = self.values.get(key, otherwise)
        if type(value) not in (int, float) or not least <= value <= most:
            raise self.wrong(key, f"{expected}, from {least:g} to {most:g}")
        return float(value)

    def time(self, key: str) -> datetime | None:
        value = self.values.get(key)
        if value is not None and (type(value) is not datetime or value.tzinfo is None or value.year not in YEARS):
            raise self.wrong(key, "a date and time with its offset, such as 2026-12-01T23:59:00+01:00")
        return value


def _limits(top: _Table) -> Limits:
    ordinary = Limits()
    names = [f.name for f in dataclasses.fields(Limits)]
    table = top.table("limits", names)
    given: dict[str, float] = {}
    for name in table.values:
        if isinstance(getattr(ordinary, name), int):
            given[name] = table.whole(name, 1)
        else:
            given[name] = table.number(name, 1.0, 0.1, 1e6, "a number of seconds")
    return dataclasses.replace(ordinary, **given)


def _lab(table: _Table) -> LabPolicy:
    table = table.only("due", "attempts")
    return LabPolicy(table.time("due"), table.whole("attempts", ATTEMPTS))


def _student(table: _Table, of_labs: Mapping[str, LabPolicy]) -> StudentPolicy:
    table = table.only("extra_time", "extensions", "attempts")
    extensions, attempts = table.table("extensions", labs()), table.table("attempts", labs())
    return StudentPolicy(
        table.number("extra_time", 1.0, 1.0, 100.0, "a factor"),
        {lab: _extension(extensions, lab, of_labs.get(lab, LabPolicy()).due) for lab in extensions.values},
        {lab: attempts.whole(lab, ATTEMPTS) for lab in attempts.values},
    )


def _extension(table: _Table, lab: str, due: datetime | None) -> timedelta:
    if due is None:
        raise Refusal(f"{table.file}: {table.name}.{lab} extends a deadline that is not there; expected labs.{lab}.due")
    if type(table.values[lab]) in (int, float):
        return timedelta(days=table.number(lab, 0.0, 0.0, 3_650.0, "a number of days, or a date and time"))
    until = table.time(lab)
    if until < due:
        raise table.wrong(lab, f"after the lab is due ({due.isoformat()})")
    return until - due


# ---- seeds


def seed_key(course_key: bytes, lab: str, policy: Policy) -> bytes:
    """The secret of a lab and its deadline, which every input of its checks is drawn from."""
    deadline = policy.deadline(lab)
    due = deadline.astimezone(UTC).isoformat() if deadline else ""  # 23:59+01:00 and 22:59Z are one deadline
    return _mac(course_key, "seeds", lab, due, str(policy.reseeds.get(lab, 0)))


def seeds(key: bytes) -> Callable[[str], np.random.Generator]:
    """A generator for each check id, always the same one, which only the holder of the seed key can foresee."""
    return lambda id: np.random.default_rng(int.from_bytes(_mac(key, "check", id)))


def _mac(key: bytes, *parts: str) -> bytes:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).digest()


def reseed(folder: Path, lab: str) -> int:
    """Give the lab new seeds, for when its key may have leaked; returns how often that was done. All of its submissions
    are then graded anew. Raises Refusal for an unknown lab."""
    solution(lab)
    path = folder / "seeds.json"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "seeds.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once count twice; the lock ends with the file or the process
        counts = {**_reseeds(path)}
        counts[lab] = counts.get(lab, 0) + 1
        _write(path, json.dumps(counts, indent=1, sort_keys=True) + "\n")
    return counts[lab]


def _reseeds(path: Path) -> dict[str, int]:
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Refusal(f"{path} is not a readable JSON file: {error}") from None
    if not isinstance(counts, dict) or not all(type(n) is int and n > 0 for n in counts.values()):
        raise Refusal(f'{path} must hold a count for each lab that was given new seeds, such as {{"2_1_amp": 1}}')
    return counts


def _write(path: Path, text: str) -> None:
    """Whole or not at all, also when the power fails."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as out:
        try:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
            os.replace(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise


# ---- version


def version(lab: str, key: bytes, limits: Limits | None = None) -> str:
    """A hash of all that decides a grade besides the submission: the release, the lab's checks and topic, the student's
    side, the libraries, the limits, and the seeds (of whose key it gives nothing away). Reads 0.6 MB: call it once for
    a lab and its limits.

    key: the lab's seed key. Raises Refusal for an unknown lab, GradingFault for one that was not generated.
    """
    topic = solution(lab).stem.split("_", 2)[-1]
    library = ROOT / "lib" / "quintet"
    files = [
        release(lab),
        *(library / "checks" / name for name in ("__init__.py", "near.py", f"{topic}.py")),
        *library.glob(f"{topic}.py"),  # not every topic needs a module
        *sorted((library / "student").glob("*.py")),
        ROOT / "requirements.lock",
    ]
    if not files[0].is_file():
        raise GradingFault(f"{files[0]} is missing; run `make labs`")
    found = hashlib.sha256(hashlib.sha256(b"version\0" + key).digest())
    found.update(repr(dataclasses.astuple(limits or Limits())).encode())
    for path in files:  # name and digest of each, so that no two lists of files look alike
        found.update(f"{path.parent.name}/{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return found.hexdigest()
