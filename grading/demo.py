"""`quintet demo`: a sample class, graded as a real one is, so that a newcomer sees what the course does."""

import contextlib
import shutil
from pathlib import Path

import nbformat
from rich.console import Console

from quintet_grading import bank, cli, grade, hostile, notebooks, report, sandbox
from quintet_grading.course import ROOT, Course, labs
from quintet_grading.job import GRADED

FOLDER = ROOT / "course" / "demo"
HOSTILE = (  # a few of the hostile bank, one of each kind
    "cheating-prints-full-marks", "cheating-skip-execution", "escape-script-in-text-cells", "exhaustion-exit",
    "malformed-broken-json", "noise-warnings-on-stderr",
)  # fmt: skip


def run(console: Console) -> bool:
    """Hand in cases of the bank as students of one class, grade them, print the table; True if each got the grade that
    it must."""
    shutil.rmtree(FOLDER, ignore_errors=True)  # a demonstration's own folder, made anew each time
    course = Course(FOLDER)
    why_not = sandbox.why_not()
    hostile_cases = [] if why_not else [c for c in hostile.cases() if c.student in HOSTILE]
    for case in hostile_cases:
        hostile.hand_in(case, course.submitted_folder, case.student, {})
    expected: dict[tuple[str, str], bank.Case | hostile.Case] = {(c.student, hostile.LAB): c for c in hostile_cases}
    for lab in labs():
        for case in bank.one_of_each(lab):
            student = _name(case)
            path = course.notebook(student, lab)
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(bank.submission(lab, case), path)
            expected[student, lab] = case
    records = cli.grade_all(course, labs(), grade.Options(sandboxed=not why_not))
    console.print(report.table(records))
    for lab in labs():
        with console.status(f"writing the feedback pages of {lab}"):
            notebooks.feedback(lab, course)
    page = FOLDER / "grades.html"
    page.write_text(report.page(records, _links(records)), encoding="utf-8")
    wrong = [r for r in records if not _as_expected(r, expected[r["student"], r["lab"]])]
    for r in wrong:
        console.print(f"✗ {r['student']} in {r['lab']} did not get the grade that the bank says it must", markup=False)
    console.print(
        f"{len(records) - len(wrong)} of {len(records)} sample submissions got the grade that they must.",
        highlight=False,
    )
    if why_not:
        console.print(f"Hostile samples were left out, since they need the sandbox: {why_not}", highlight=False)
    with contextlib.suppress(ValueError):
        page = page.relative_to(Path.cwd())
    console.print(f"The same with feedback, for a browser: {page}", soft_wrap=True, highlight=False)
    return not wrong


def _name(case: bank.Case) -> str:
    return case.name if case.kind == "blank" else f"{case.kind}-{case.name}".replace("_", "-")


def _links(records: list[dict]) -> dict[str, str]:
    pages = {r["student"]: f"feedback/{r['student']}/{r['lab']}/{r['lab']}.html" for r in records}
    return {student: link for student, link in pages.items() if (FOLDER / link).is_file()}


def _as_expected(record: dict, case: bank.Case | hostile.Case) -> bool:
    if isinstance(case, hostile.Case):
        return record["score"] == case.score
    lost = {c["id"]: {f["misconception"] for f in c["findings"]} for c in record["checks"] if c["points"] < c["max"]}
    match case.kind:
        case "right":
            return record["state"] == GRADED and not lost
        case "blank":
            return record["score"] == 0
        case _:
            return set(lost) == {case.check} and case.misconception in lost[case.check]
