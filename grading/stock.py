"""nbgrader's own ways to grade, served by our pipeline: `nbgrader autograde`, its Python API and formgrader's button.

    install()  # nbgrader_config.py, which every nbgrader application reads, calls it

nbgrader 0.9.6 has no setting for the class that autogrades, so the name is replaced where nbgrader looks it up. What
nbgrader does after that (manual grading, late penalties, feedback, export) finds the gradebook and the notebooks in
`autograded/` as it expects them, since record.py writes both by nbgrader's own steps.

What differs from nbgrader as it comes: a submission that was graded is not graded again, with or without `--force`,
because it would get the same grade; and what could not be graded has no score, instead of 0 or its old one.
"""

import fnmatch
import logging
import sys
from pathlib import Path

from nbgrader import converters
from nbgrader.api import Gradebook
from nbgrader.converters.base import NbGraderException

from quintet_grading import Refusal
from quintet_grading.course import Course
from quintet_grading.job import GRADED, UNGRADED


def install() -> None:
    """Have nbgrader autograde through the pipeline, in this process."""
    for name in ("nbgrader.converters", "nbgrader.apps.api", "nbgrader.apps.autogradeapp"):
        if module := sys.modules.get(name):  # those that come later take it from the first
            module.Autograde = Autograde


class Autograde(converters.Autograde):
    """nbgrader's converter by name, traits and log; `start` grades as `quintet grade` does."""

    def start(self) -> None:
        """Grade what the application was asked for.

        Raises NbGraderException, at which nbgrader's command ends with exit code 1, when something was not graded.
        """
        from quintet_grading import grade  # seconds, which nbgrader's other commands should not wait for

        lab = self.coursedir.assignment_id
        try:
            course = self._course()
            students = self._students(course, lab)
            records = grade.grade(lab, course, grade.Options(students=students), _Log(self.log))
        except Refusal as error:
            self.log.error("%s", error)
            raise NbGraderException(str(error)) from error
        for r in records:
            level = {GRADED: logging.INFO, UNGRADED: logging.ERROR}.get(r["state"], logging.WARNING)
            score = "no score" if r["score"] is None else f"{r['score']:g} of {r['max_score']:g}"
            why = f": {r['reason']}" if r["reason"] else ""
            self.log.log(level, "%s %s: %s, %s%s", r["lab"], r["student"], r["state"], score, why)
        if missing := [r["student"] for r in records if r["state"] == UNGRADED]:
            raise NbGraderException(f"not graded yet, by no fault of theirs: {', '.join(missing)}. Run it again.")

    def _course(self) -> Course:
        """Where nbgrader's configuration says that things lie. Raises Refusal for an arrangement that is not ours."""
        where = self.coursedir
        submitted, autograded = (
            Path(where.format_path(step, "STUDENT", "LAB"))
            for step in (where.submitted_directory, where.autograded_directory)
        )
        for path in (submitted, autograded):
            if path.parts[-2:] != ("STUDENT", "LAB"):
                raise Refusal(f"CourseDirectory.directory_structure gives {path}: Quintet needs …/STUDENT/LAB")
        if autograded.parents[1].name != "autograded":
            raise Refusal("CourseDirectory.autograded_directory must be the folder `autograded` of the course's folder")
        if where.notebook_id not in ("*", where.assignment_id):
            raise Refusal(f"a lab is one notebook of the same name: leave out --notebook {where.notebook_id}")
        return Course(autograded.parents[2], submitted.parents[1], where.db_url)

    def _students(self, course: Course, lab: str) -> list[str]:
        """Those whom `--student`, its exclusions and `--create` allow."""
        excluded = {name.strip() for name in self.coursedir.student_id_exclude.split(",")}
        found = [s for s in course.students(lab) if fnmatch.fnmatchcase(s, self.coursedir.student_id)]
        found = [s for s in found if s not in excluded]
        if not self.create_student:
            with Gradebook(course.db_url, self.coursedir.course_id) as gradebook:
                known = {student.id for student in gradebook.students}
            for student in (s for s in found if s not in known):
                self.log.error("No student with ID '%s' exists in the database", student)
            found = [s for s in found if s in known]
        return found


class _Log:
    """A farm.Watcher that tells nbgrader's log."""

    def __init__(self, log: logging.Logger):
        self._log = log

    def done(self, job: object, outcome: object) -> None: ...

    def note(self, text: str) -> None:
        self._log.warning("%s", text)
