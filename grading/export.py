"""`nbgrader export`: the columns of nbgrader's CSV, and for each grade the state it is in and why.

An ungraded submission has an empty score: never 0, nor an earlier grade passed off as the new one. Who handed in
nothing has 0, as nbgrader has it, and the state `missing`.
"""

import csv

import sqlalchemy as sa
from nbgrader.api import Assignment, Gradebook, MissingEntry, Student, SubmittedAssignment
from nbgrader.plugins import ExportPlugin

from quintet_grading.job import GRADED, UNGRADED
from quintet_grading.record import JOURNAL, read, reported

COLUMNS = [
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score", "needs_manual_grade", "attempt", "state", "reason",
]  # fmt: skip
MISSING = "missing"


class StatesExporter(ExportPlugin):
    """CSV with `state` and `reason`: in nbgrader_config.py, `c.ExportApp.plugin_class = StatesExporter`."""

    def export(self, gradebook: Gradebook) -> None:
        database = gradebook.db().connection()
        known = read(database) if sa.inspect(database).has_table(JOURNAL.name) else []
        rows, never_graded = reported(known), {row["student"] for row in known}
        students = {s.id: s for s in gradebook.students}
        for name in sorted(never_graded - set(students)):  # nbgrader learns of a student with the first grade
            students[name] = Student(id=name)
        with open(self.to or "grades.csv", "w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, COLUMNS)
            out.writeheader()
            for lab in (a for a in gradebook.assignments if not self.assignment or a.name in self.assignment):
                for id, student in students.items():
                    if not self.student or id in map(str, self.student):
                        line = _line(gradebook, lab, student, rows.get((id, lab.name)))
                        out.writerow({name: _shown(value) for name, value in line.items()})


def _line(gradebook: Gradebook, lab: Assignment, student: Student, row: dict | None) -> dict:
    try:
        submission = gradebook.find_submission(lab.name, student.id)
    except MissingEntry:
        submission = None
    line = {
        "assignment": lab.name,
        "duedate": lab.duedate if submission is None or lab.duedate is None else submission.duedate,
        "student_id": student.id,
        "last_name": student.last_name,
        "first_name": student.first_name,
        "email": student.email,
        "max_score": lab.max_score,
    }
    if row is not None and row["state"] == UNGRADED:
        return {
            **line,
            "timestamp": row["timestamp"],
            "attempt": row["attempt"],
            "state": UNGRADED,
            "reason": row["reason"],
        }
    if submission is None:
        scores = {"raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
        return {**line, **scores, "state": MISSING, "reason": "nothing was handed in, or it was not graded yet"}
    if row is None and not _is_scored(submission):
        return {**line, "timestamp": submission.timestamp, "state": UNGRADED, "reason": "a cell has no score"}
    penalty = submission.late_submission_penalty or 0.0
    return {
        **line,
        "timestamp": submission.timestamp,
        "raw_score": submission.score,
        "late_submission_penalty": penalty,
        "score": max(0.0, submission.score - penalty),
        "needs_manual_grade": submission.needs_manual_grade,
        "attempt": row["attempt"] if row else None,
        "state": row["state"] if row else GRADED,
        "reason": row["reason"] if row else "graded by other means than quintet",
    }


def _is_scored(submission: SubmittedAssignment) -> bool:
    """Whether every code cell has a score. nbgrader counts a cell without one as 0."""
    grades = [g for notebook in submission.notebooks for g in notebook.grades if g.cell_type == "code"]
    return all(g.auto_score is not None or g.manual_score is not None for g in grades)


def _shown(value: object) -> object:
    """Empty for None. What a spreadsheet would take for a formula becomes text: a reason may quote a student."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return "" if value is None else value
