"""`quintet grade`: a folder of submissions to a gradebook and one record a student, through nbgrader's own steps.

nbgrader sanitises, restores locked cells and keeps the gradebook; `Referee` (referee.py) runs and judges in the place
of its Execute. A record is read back from what was written, the autograded notebook and the gradebook, so that it says
what they say.
"""

import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.api import MissingEntry
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config, PyFileConfigLoader

from quintet import checks
from quintet_grading import GradingFault, Refusal, bank, run
from quintet_grading.referee import ROOT, nursery, solution

GRADED, LIMITED, UNGRADED = "graded", "limited", "ungraded"  # limited: the student's code or file; ungraded: our fault


@dataclass(frozen=True)
class Course:
    """Where a course's state lies: submitted/, autograded/, feedback/, gradebook.db and key are in `folder` unless
    told otherwise."""

    folder: Path = ROOT / "course"
    submitted: Path | None = None
    db: str | None = None

    def config(self) -> Config:
        """nbgrader's configuration, from grading/nbgrader_config.py."""
        os.environ["QUINTET_COURSE"] = str(self.folder)
        config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT / "grading")).load_config()
        config.CourseDirectory.submitted_directory = str(self.submitted_folder)
        if self.db:
            config.CourseDirectory.db_url = self.db
        return config

    @property
    def submitted_folder(self) -> Path:
        return (self.submitted or self.folder / "submitted").resolve()

    def path(self, step: str, student: str, lab: str) -> Path:
        return self.folder / step / student / lab

    def notebook(self, student: str, lab: str) -> Path:
        return self.submitted_folder / student / lab / f"{lab}.ipynb"


@contextlib.contextmanager
def opened(course: Course) -> Iterator[NbGraderAPI]:
    """nbgrader's API on this course, its log kept off the terminal."""
    log = logging.getLogger("quintet.nbgrader")
    log.propagate = False
    log.handlers = [logging.StreamHandler(io.StringIO())]
    with warnings.catch_warnings():
        # nbgrader 0.9.6 builds rows before it adds them to the session, which SQLAlchemy 2 reports each time.
        warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")
        api = NbGraderAPI(config=course.config())
        api.log = log
        yield api


def register(api: NbGraderAPI, lab: str) -> None:
    """Enter the lab's cells and points into the gradebook, as `nbgrader generate_assignment` does; labs/ is left alone.

    Raises RuntimeError with nbgrader's message when the solution notebook is not in order.
    """
    before = api.coursedir.release_directory
    with tempfile.TemporaryDirectory(prefix="quintet-release-") as scratch:
        api.coursedir.release_directory = scratch
        try:
            _succeed(
                api.generate_assignment(lab, force=True, create=True),
                f"lab {lab} could not be entered into the gradebook",
            )
        finally:
            api.coursedir.release_directory = before


def _succeed(result: dict, what: str) -> None:
    if not result["success"]:
        lines = [line for line in (result.get("error") or result.get("log") or "").splitlines() if line.strip()]
        raise RuntimeError(f"{what}: {lines[-1].strip() if lines else 'no message'}")


def students(course: Course, lab: str) -> list[str]:
    """Who handed in something for the lab, in order."""
    if not course.submitted_folder.is_dir():
        return []
    return sorted(
        p.name for p in course.submitted_folder.iterdir() if (p / lab).is_dir() and not p.name.startswith(".")
    )


def grade(lab: str, course: Course, done=lambda student: None) -> list[dict]:
    """Grade every submission of `lab`; one record a student, whatever happens to any of them. `done` is called after
    each.

    Raises Refusal for an unknown lab or when nobody handed it in, GradingFault when this machine cannot grade it.
    """
    solution(lab)
    names = students(course, lab)
    if not names:
        raise Refusal(
            f"no submission of {lab} in {course.submitted_folder}: expected STUDENT/{lab}/{lab}.ipynb there"
        )
    _canary(lab)
    records = []
    with opened(course) as api:
        register(api, lab)
        for student in names:
            start = time.monotonic()
            try:
                record = _grade_one(api, course, lab, student)
            except Exception as error:  # noqa: BLE001 whatever goes wrong with one submission, the others are graded
                record = _nothing(lab, UNGRADED, f"Not graded yet, by no fault of the student's: {error}")
            records.append({"student": student, "lab": lab, **record, "seconds": round(time.monotonic() - start, 3)})
            done(student)
    return records


def _canary(lab: str) -> None:
    """Raise GradingFault unless the reference runs and gets full marks: a broken set-up or missing data is no student's
    fault and must not become anybody's grade."""
    verdict = run.judge(bank.submission(lab, bank.cases(lab)[0]), checks.public_rng, nursery(lab))
    errors = [o for c in verdict.notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    if errors or verdict.points < verdict.max:
        said = [f"{e.ename}: {e.evalue}" for e in errors] or [f.message for r in verdict.results for f in r.findings]
        raise GradingFault(f"nothing was graded, since even the reference solution of {lab} fails here: {said[0]}")


def _grade_one(api: NbGraderAPI, course: Course, lab: str, student: str) -> dict:
    try:
        _is_submission_of(run.read(course.notebook(student, lab)), lab)
    except ValueError as error:
        return _nothing(lab, LIMITED, f"Not a submission of {lab}: {error}.")
    _succeed(api.autograde(lab, student, force=True, create=True), f"nbgrader could not grade {student}")
    return _record(api, course, lab, student)


def _is_submission_of(notebook: NotebookNode, lab: str) -> None:
    asked = set(grade_ids(run.read(solution(lab))))
    if not asked & set(grade_ids(notebook)):
        raise ValueError("it has none of the lab's graded cells")


def grade_ids(notebook: NotebookNode) -> list[str]:
    cells = [c.metadata.get("nbgrader", {}) for c in notebook.cells]
    return [str(c["grade_id"]) for c in cells if isinstance(c, dict) and c.get("grade") and "grade_id" in c]


def _record(api: NbGraderAPI, course: Course, lab: str, student: str) -> dict:
    notebook = run.read(course.path("autograded", student, lab) / f"{lab}.ipynb")
    found = [
        o.metadata.quintet for c in notebook.cells for o in c.get("outputs", []) if "quintet" in o.get("metadata", {})
    ]
    reason = notebook.metadata.get("quintet", {}).get("reason", "")
    with api.gradebook as gradebook:
        grades = [
            (g.cell_type, g.auto_score or 0.0, g.max_score)
            for g in gradebook.find_submission_notebook(lab, lab, student).grades
        ]
    return {
        "state": LIMITED if reason else GRADED,
        "score": sum(score for kind, score, _ in grades if kind == "code"),
        "max_score": sum(most for kind, _, most in grades if kind == "code"),
        "manual_max": sum(most for kind, _, most in grades if kind != "code"),
        "checks": [dict(f) for f in found],
    }


def _nothing(lab: str, state: str, message: str) -> dict:
    """The record of a submission from which nothing could be judged."""
    cells = run.read(solution(lab)).cells
    ids = [id for id in map(run.check_id, cells) if id]
    finding = {"misconception": None, "message": message}
    return {
        "state": state,
        "score": 0.0,
        "max_score": sum(checks.find(id).points for id in ids),
        "manual_max": sum(
            c.metadata.nbgrader.points
            for c in cells
            if c.metadata.get("nbgrader", {}).get("grade") and not run.check_id(c)
        ),
        "checks": [{"id": id, "points": 0.0, "max": checks.find(id).points, "findings": [finding]} for id in ids],
    }


def feedback(lab: str, course: Course) -> None:
    """nbgrader's feedback pages for every graded submission of `lab`."""
    with opened(course) as api:
        for student in students(course, lab):
            with contextlib.suppress(MissingEntry):
                api.generate_feedback(lab, student, force=True)
