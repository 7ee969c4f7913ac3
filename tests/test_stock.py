"""nbgrader's own commands, API and formgrader's button give the gradebook that `quintet grade` gives, and what nbgrader
does afterwards goes on working: manual grading, late penalties, feedback, export.

The faults that nbgrader 0.9.6 has by itself (FAULTS) are each a case of the hostile bank or a test elsewhere.
"""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters.base import NbGraderException

from quintet import data
from quintet_grading import bank, grade, hostile, rehearsal, sandbox
from quintet_grading.course import ROOT, Course
from quintet_grading.notebooks import opened
from quintet_grading.record import Journal

LAB = "2_1_amp"
NO_SANDBOX = sandbox.why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(NO_SANDBOX), reason=f"grades submissions: {NO_SANDBOX}")]
KEY = b"one key, so that all ways have the same inputs".ljust(32)[:32]
CLASS = ("blank", "clip-before-unscale", "nan-missed", "reference")
SCRIPTS = ("escape-script-in-outputs", "escape-script-in-text-cells")
DUE = "2026-03-01T12:00:00+01:00"
FAULTS = {  # of nbgrader 0.9.6, and where it is shown that they are not ours
    "skip-execution on test cells: full marks for wrong answers": "cheating-skip-execution",
    "a transformer that drops asserts: full marks": "cheating-asserts-stripped",
    "a patched allclose: full marks": "cheating-patched-allclose",
    "a frame walk: full marks": "cheating-frame-walk",
    "writes to the gradebook from the kernel": "escape-gradebook",
    "a symlink to the gradebook is copied and handed back": "malformed-symlinked-gradebook",
    "killing the parent kills the batch": "escape-kill-parent",
    "a duplicated grade_id aborts the batch": "malformed-duplicate-test",
    "schema_version 99 aborts the batch": "malformed-schema-version-99",
    "os._exit loses all scores": "exhaustion-exit",
    "SIGKILL to itself loses all scores": "exhaustion-killed-by-itself",
    "correct, but prints to stderr: 0": "noise-warnings-on-stderr",
    "100 MB on one line become a notebook of 100 MB": "exhaustion-stdout-flood",
    "a renamed notebook is 0.0 without a word": "malformed-wrong-file-name",
    "corrupt JSON is 0.0 without a word": "malformed-broken-json",
    "a bad timestamp is 0.0 without a word": "malformed-bad-timestamp",
    "a deleted test cell needs a person": "cheating-test-deleted",
    "kill -9, then a rerun: never graded": "test_faults.py",
    "a regrade that fails leaves the old score": "test_record.py",
}


def test_every_fault_of_nbgrader_by_itself_has_a_case_or_a_test():
    known = {c.student for c in hostile.cases()} | {p.name for p in Path(__file__).parent.glob("test_*.py")}
    assert set(FAULTS.values()) <= known


def notebook(name: str) -> nbformat.NotebookNode:
    return bank.submission(LAB, next(c for c in bank.cases(LAB) if c.name == name))


def hand_in(course: Course, student: str, text: str, when: str = "2026-03-01 10:00:00 UTC") -> None:
    path = course.notebook(student, LAB)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (path.parent / "timestamp.txt").write_text(when)


def new_class(folder: Path) -> Course:
    """A small class: honest work of four kinds, one of them late; a file that is no notebook; two with scripts."""
    course = Course(folder / "course")
    course.folder.mkdir(parents=True)
    (course.folder / "key").write_bytes(KEY)
    (course.folder / "course.toml").write_text(f"[labs.{LAB}]\ndue = {DUE}\n")
    for name in CLASS:
        hand_in(course, name, nbformat.writes(notebook(name)))
    hand_in(course, "late", nbformat.writes(notebook("reference")), "2026-03-02 10:00:00 UTC")
    hand_in(course, "not-a-notebook", "{ not json")
    words = {"token": "quintet-0123"}
    for case in hostile.cases():
        if case.student in SCRIPTS:
            hostile.hand_in(case, course.submitted_folder, case.student, words)
    return course


def everything(course: Course) -> tuple:
    """What was recorded, without what may differ: seconds, and the time of writing in the notebooks' folder."""
    records = [{**r, "seconds": 0} for r in Journal(course.db_url).records(LAB)]
    rows = rehearsal.contents(course.db_url)
    return {name: all for name, all in rows.items() if name != "quintet_journal"}, records


def stock(course: Course, *words: str, **extra: str) -> subprocess.CompletedProcess:
    """`nbgrader …` in grading/, as nbgrader's documentation has it."""
    environment = {**os.environ, "QUINTET_COURSE": str(course.folder), **extra}
    return subprocess.run(
        [Path(sys.executable).parent / "nbgrader", *words],
        cwd=ROOT / "grading", env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Course:
    course = new_class(tmp_path_factory.mktemp("ours"))
    grade.grade(LAB, course)
    return course


@pytest.fixture(scope="module")
def by_command(tmp_path_factory) -> tuple[Course, subprocess.CompletedProcess]:
    course = new_class(tmp_path_factory.mktemp("command"))
    return course, stock(course, "autograde", LAB)


# ---- the three ways


def test_nbgraders_command_gives_the_same_gradebook(ours, by_command):
    course, done = by_command
    assert done.returncode == 0, done.stderr
    assert everything(course) == everything(ours)
    assert f"{LAB} clip-before-unscale: graded, 18 of 20" in done.stderr
    assert "not-a-notebook: limited, 0 of 20: Not a submission" in done.stderr.replace("not a readable", "Not a")


def test_nbgraders_api_gives_the_same_for_one_student_at_a_time(ours, tmp_path):
    course = new_class(tmp_path)
    with opened(course) as api:
        for student in course.students(LAB):
            assert api.autograde(LAB, student)["success"], student
    assert everything(course) == everything(ours)


@dataclass(frozen=True)
class Server:
    """A Jupyter server with formgrader on a course."""

    port: int
    token: str

    def ask(self, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()


@contextlib.contextmanager
def jupyter(course: Course, folder: Path, **environment: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(free.getsockname()[1], "quintet-test")
    words = [
        Path(sys.executable).parent / "jupyter", "server", "--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1",
        f"--port={server.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={server.token}",
    ]  # fmt: skip
    own = {"QUINTET_COURSE": str(course.folder), "HOME": str(folder), "QUINTET_CACHE": str(data.cache_dir())}
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            words, cwd=ROOT / "grading", env={**os.environ, **own, **environment}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                server.ask("/api/status")
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline and process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.3)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_formgraders_button_gives_the_same_and_its_pages_run_nothing_of_a_submission(ours, tmp_path):
    course = new_class(tmp_path)
    with jupyter(course, tmp_path) as server:
        for student in course.students(LAB):
            answer = json.loads(server.ask(f"/formgrader/api/submission/{LAB}/{student}/autograde", "POST"))
            assert answer["success"], answer
        assert everything(course) == everything(ours)
        pages = {}
        for student in ("reference", *SCRIPTS):
            with Gradebook(course.db_url, "quintet") as gradebook:
                (book,) = gradebook.find_submission(LAB, student).notebooks
            pages[student] = server.ask(f"/formgrader/submissions/{book.id}/")
            pages[student] = pages[student].replace(book.id, "ID")
            assert "amp-written" in pages[student]
    for student in SCRIPTS:
        strange = hostile._active(pages[student]) - hostile._active(pages["reference"])
        assert not {s for s in strange if "MathJax" not in s}, student


def test_a_course_that_cannot_be_graded_is_a_failed_command_with_one_sentence(tmp_path):
    course = Course(tmp_path)
    for lab, said in ((LAB, "no submission of 2_1_amp"), ("9_9_nothing", "known labs: 2_1_amp")):
        done = stock(course, "autograde", lab)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


# ---- nbgrader's options


def test_one_student_and_students_left_out(tmp_path):
    course = new_class(tmp_path)
    with opened(course) as api:
        api.coursedir.student_id_exclude = "blank, late"
        assert api.autograde(LAB, "*l*")["success"]
        assert set(Journal(course.db_url).current(LAB)) == {"clip-before-unscale"} | {s for s in SCRIPTS if "l" in s}


def test_who_is_not_in_the_gradebook_is_graded_only_if_students_may_be_made(tmp_path):
    course = new_class(tmp_path)
    with Gradebook(course.db_url, "quintet") as gradebook:
        gradebook.add_student("reference")
    done = stock(course, "autograde", LAB, "--Autograde.create_student=False")
    assert "No student with ID 'blank' exists" in done.stderr
    assert set(Journal(course.db_url).current(LAB)) == {"reference"}


def test_another_arrangement_of_folders_is_refused(tmp_path):
    course = new_class(tmp_path)
    with opened(course) as api:
        api.coursedir.autograded_directory = str(tmp_path / "elsewhere")
        answer = api.autograde(LAB, "blank")
        assert not answer["success"] and "autograded_directory" in answer["error"]
        assert NbGraderException.__name__ in answer["error"]


# ---- what comes after


def test_a_persons_points_lateness_feedback_and_export(by_command, tmp_path):
    course, _ = by_command
    with Gradebook(course.db_url, "quintet") as gradebook:
        written = gradebook.find_grade("amp-written", LAB, LAB, "reference")
        written.manual_score, written.needs_manual_grade = 3.0, False
        gradebook.db.commit()
        assert gradebook.find_submission(LAB, "late").total_seconds_late == 23 * 3600
    again = stock(course, "autograde", LAB, "--force")
    assert again.returncode == 0, again.stderr
    feedback = stock(course, "generate_feedback", LAB)
    assert feedback.returncode == 0, feedback.stderr
    page = course.path("feedback", "clip-before-unscale", LAB) / f"{LAB}.html"
    assert "clip" in page.read_text(encoding="utf-8").lower()
    out = tmp_path / "grades.csv"
    assert stock(course, "export", "--to", str(out)).returncode == 0
    with open(out, newline="") as file:
        lines = {line["student_id"]: line for line in csv.DictReader(file)}
    assert lines["reference"]["score"] == "23.0" and lines["reference"]["state"] == "graded"
    assert lines["not-a-notebook"]["state"] == "limited" and lines["not-a-notebook"]["score"] == "0.0"
