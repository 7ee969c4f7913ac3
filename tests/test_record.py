"""What is recorded of an outcome, by whom, and what a kill or a full disk leaves."""

import contextlib
import csv
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from concurrent.futures import wait
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import psutil
import pytest
import sqlalchemy as sa
from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from traitlets.config import Config

from quintet_grading import GradingFault, Refusal, rehearsal
from quintet_grading.course import Course
from quintet_grading.export import StatesExporter
from quintet_grading.gradebook import Books
from quintet_grading.job import LIMITED, UNGRADED, Outcome
from quintet_grading.record import Journal, Writer
from quintet_grading.rehearsal import job, no_submission, outcome, ungraded

LAB = "2_1_amp"
FULL, FIRST = 20, "amp/zeroed"
ALL = ("amp/zeroed", "amp/unscale", "amp/next_scale", "amp/accumulate", "amp/finish_step", "amp/master_step")


@pytest.fixture(scope="module")
def registered(tmp_path_factory) -> Path:
    """A course whose gradebook knows the lab, to be copied."""
    folder = tmp_path_factory.mktemp("registered")
    with Writer(Course(folder)) as writer:
        writer.register(LAB).result(60)
    return folder


@pytest.fixture
def course(registered, tmp_path) -> Course:
    shutil.copytree(registered, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture
def books(course):
    """The writer's inside, without its process."""
    made = Books(course)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield made
    made.gradebook.shut()


@contextlib.contextmanager
def submission(course: Course, student: str = "anna"):
    with Gradebook(course.db_url, "quintet") as gradebook:
        yield gradebook.find_submission(LAB, student)


def grades(course: Course, student: str = "anna") -> dict[str, tuple]:
    with submission(course, student) as found:
        return {g.name: (g.auto_score, g.needs_manual_grade) for g in found.notebooks[0].grades}


def exported(course: Course, to: Path) -> dict[str, dict]:
    with Gradebook(course.db_url, "quintet") as gradebook:
        StatesExporter(config=Config({"StatesExporter": {"to": str(to)}})).export(gradebook)
    with open(to, newline="") as file:
        return {line["student_id"]: line for line in csv.DictReader(file)}


# ---- what is written


def test_grades_comments_and_flags_are_those_of_nbgrader(books, course):
    answered = outcome(LAB, lost=("amp/unscale",), written="Because.")
    row = books.write(job(LAB, "anna", timestamp="2026-03-01T10:00:00+01:00", notes=("a cell was changed",)), answered)
    assert (row["score"], row["max_score"], row["manual_max"], row["attempt"]) == (17, FULL, 4, 1)
    assert row["counts"] and row["notes"] == ["a cell was changed"]
    found = grades(course)
    assert found["amp-unscale"] == (0, False) and found["amp-finish_step"] == (5, False)
    assert found["amp-written"] == (None, True)
    with submission(course) as anna:
        assert anna.timestamp == datetime(2026, 3, 1, 9) and anna.score == 17 and anna.max_score == 24
        assert {c.auto_comment for c in anna.notebooks[0].comments} == {None}
    books.write(job(LAB, "ben"), outcome(LAB))
    assert grades(course, "ben")["amp-written"] == (0, False), "an untouched answer is no response"
    with submission(course, "ben") as ben:
        assert [c.name for c in ben.notebooks[0].comments if c.auto_comment == "No response."] == ["amp-written"]


@pytest.mark.slow
def test_nbgraders_own_autograde_leaves_the_same_rows(books, course, tmp_path):
    """nbgrader's second half of Autograde, run on the same judged notebooks with its own sessions."""
    other = Course(tmp_path / "stock")
    shutil.copytree(course.folder, other.folder)
    for student, lost in (("anna", ALL[:2]), ("ben", ())):
        work, result = job(LAB, student), outcome(LAB, lost=lost)
        books.write(work, result)
        with Gradebook(other.db_url, "quintet") as gradebook:
            gradebook.update_or_create_student(work.student)
            gradebook.update_or_create_submission(LAB, work.student)
        names = {"student": work.student, "assignment": LAB, "notebook": LAB, "db_url": other.db_url}
        for step in (SaveAutoGrades, AssignLatePenalties):
            step()(nbformat.reads(result.notebook, as_version=4), {"nbgrader": names})
    ours, stock = rehearsal.contents(course.db_url), rehearsal.contents(other.db_url)
    same = set(ours) - {"quintet_journal", "course"}  # nbgrader's steps enter a course of their own, `default_course`
    assert {"grade", "comment", "submitted_assignment", "submitted_notebook"} <= same
    assert {name: ours[name] for name in same} == {name: stock[name] for name in same}


def test_a_persons_score_stays_and_is_flagged_for_review(books, course):
    books.write(job(LAB, "anna"), outcome(LAB, lost=(FIRST,), written="Because."))
    with Gradebook(course.db_url, "quintet") as gradebook:
        written = gradebook.find_grade("amp-written", LAB, LAB, "anna")
        written.manual_score, written.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    books.write(job(LAB, "anna", 2), outcome(LAB, written="Because."))
    with submission(course) as anna:
        assert anna.score == FULL + 3
    assert grades(course)["amp-written"] == (None, True)


def test_the_best_attempt_counts_and_of_equal_ones_the_latest(books, course):
    books.write(job(LAB, "anna", 1), outcome(LAB, lost=(FIRST,)))
    worse = books.write(job(LAB, "anna", 2), outcome(LAB, lost=ALL))
    assert (worse["attempt"], worse["counts"]) == (2, False)
    assert sum(score for score, _ in grades(course).values()) == 18
    shown = course.path("autograded", "anna", LAB) / f"{LAB}.ipynb"
    assert shown.read_text() == outcome(LAB, lost=(FIRST,)).notebook
    equal = books.write(job(LAB, "anna", 3), outcome(LAB, lost=("amp/zeroed",), reason="third"))
    assert (equal["attempt"], equal["counts"]) == (3, True)
    journal = Journal(course.db_url)
    assert journal.current(LAB)["anna"]["reason"] == "third"
    assert journal.attempts_used("anna", LAB) == 3
    assert journal.attempts_used("anna", LAB, job(LAB, "anna", 2).submission) == 2


def test_a_regrade_is_the_same_attempt_and_an_earlier_attempt_counts_again_if_it_is_now_the_best(books, course):
    books.write(job(LAB, "anna", 1), outcome(LAB, lost=(FIRST,)))
    books.write(job(LAB, "anna", 2), outcome(LAB))
    assert grades(course)["amp-zeroed"] == (2, False)
    again = books.write(job(LAB, "anna", 2, version="v2"), outcome(LAB, lost=ALL))
    assert (again["attempt"], again["counts"]) == (2, False)
    assert grades(course)["amp-zeroed"] == (0, False) and grades(course)["amp-unscale"] == (3, False)
    shown = course.path("autograded", "anna", LAB) / f"{LAB}.ipynb"
    assert shown.read_text() == outcome(LAB, lost=(FIRST,)).notebook
    done = Journal(course.db_url).done(LAB)
    assert set(done) == {job(LAB, "anna", 1).key, again["key"]}, "what an older version said is not done"
    back = books.write(job(LAB, "anna", 2), outcome(LAB))  # the version was taken back
    assert back["counts"] and set(Journal(course.db_url).done(LAB)) == {job(LAB, "anna", 1).key, back["key"]}


def test_a_late_attempt_counts_less_than_a_timely_one_if_the_penalty_says_so(books, course):
    books._config.LateSubmissionPlugin.penalty_method = "zero"
    books.register(LAB, "2026-03-01T13:00:00+01:00")
    books.write(job(LAB, "anna", 1, timestamp="2026-03-01T11:00:00"), outcome(LAB, lost=(FIRST,)))
    late = job(LAB, "anna", 2, timestamp="2026-03-01T13:00:00")
    assert not books.write(late, outcome(LAB))["counts"]
    books.write(job(LAB, "ben", timestamp="2026-03-01T13:00:00"), outcome(LAB))
    with submission(course, "ben") as ben:
        assert ben.late_submission_penalty == FULL
    books.write(job(LAB, "carl", timestamp="2026-03-01T13:00:00"), outcome(LAB), extension_seconds=7200)
    with submission(course, "carl") as carl:
        assert carl.extension == timedelta(hours=2) and not carl.late_submission_penalty


def test_an_ungraded_submission_has_no_score_anywhere_and_is_tried_again(books, course, tmp_path):
    books.write(job(LAB, "anna"), outcome(LAB, lost=(FIRST,)))
    books.write(job(LAB, "anna", 2), ungraded("The data were missing."))
    books.write(job(LAB, "ben"), ungraded())
    books.write(job(LAB, "carl"), outcome(LAB))
    books.write(job(LAB, "carl", version="v2"), ungraded())
    journal = Journal(course.db_url)
    assert set(journal.done(LAB)) == {job(LAB, "anna").key}
    assert [(r["student"], r["state"], r["score"]) for r in journal.records(LAB)] == [
        (name, UNGRADED, None) for name in ("anna", "ben", "carl")
    ]
    rows = journal.judged(LAB)
    assert {name: [r["key"] for r in own] for name, own in rows.items()} == {
        "anna": [job(LAB, "anna").key], "carl": [None]
    }  # fmt: skip
    assert journal.attempts_used("anna", LAB) == 1 and journal.attempts_used("ben", LAB) == 0
    lines = exported(course, tmp_path / "grades.csv")
    assert {(line["state"], line["score"], line["raw_score"]) for line in lines.values()} == {(UNGRADED, "", "")}
    assert "the best one so far has 18 of 20" in lines["anna"]["reason"]
    assert "20 of 20, was given by an older version" in lines["carl"]["reason"]
    with submission(course) as anna:
        assert anna.score == 18, "the attempt that is graded stays"
    graded = books.write(job(LAB, "anna", 2), outcome(LAB))
    assert graded["attempt"] == 2 and exported(course, tmp_path / "2.csv")["anna"]["score"] == "20.0"
    assert books.write(job(LAB, "anna", 2), ungraded()) == {**graded}, "what was graded does not become ungraded"


def test_what_is_no_submission_gets_zeros_and_a_notebook_that_says_why(books, course, tmp_path):
    row = books.write(job(LAB, "dora"), no_submission("Not a submission of this lab."))
    assert (row["state"], row["score"], row["reason"]) == (LIMITED, 0, "Not a submission of this lab.")
    assert set(grades(course, "dora").values()) == {(0, False)}
    assert "Not a submission" in (course.path("autograded", "dora", LAB) / f"{LAB}.ipynb").read_text()
    line = exported(course, tmp_path / "grades.csv")["dora"]
    assert (line["state"], line["score"], line["reason"]) == (LIMITED, "0.0", "Not a submission of this lab.")


def test_a_file_that_is_no_submission_uses_up_no_attempt_and_takes_nothing_away(books, course):
    refused = job(LAB, "anna", 1, reason="Not a submission.")
    assert books.write(refused, no_submission())["attempt"] is None
    row = books.write(job(LAB, "anna", 2), outcome(LAB, lost=ALL))
    assert (row["attempt"], row["score"], row["counts"]) == (1, 0, True)
    row = books.write(job(LAB, "anna", 3, reason="Not a submission."), no_submission())
    assert (row["attempt"], row["counts"]) == (None, False)
    assert Journal(course.db_url).attempts_used("anna", LAB) == 1
    assert len(Journal(course.db_url).judged(LAB)["anna"]) == 3, "none of them is judged again"


def test_the_submitted_file_is_kept_as_long_as_it_is_the_one_that_was_judged(books, course):
    path = course.notebook("anna", LAB)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"as handed in")
    work = job(LAB, "anna")
    work = type(work)("anna", LAB, hashlib.sha256(b"as handed in").hexdigest(), "v1")
    books.write(work, outcome(LAB))
    kept = course.folder / "attempts" / LAB / "anna" / work.key[:16]
    assert (kept / "submitted.ipynb").read_bytes() == b"as handed in"
    assert stat.S_IMODE((course.folder / "attempts").stat().st_mode) == 0o700
    (course.folder / "secret").write_bytes(b"as handed in")
    path.unlink()
    path.symlink_to(course.folder / "secret")
    other = type(work)("anna", LAB, work.submission, "v2")
    books.write(other, outcome(LAB))
    assert not (kept.parent / other.key[:16] / "submitted.ipynb").exists(), "a link is not followed"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda o: {"checks": o.checks[1:]}, "its checks are"),
        (lambda o: {"checks": ({**o.checks[0], "points": 200.0}, *o.checks[1:])}, "not those of the registered lab"),
        (lambda o: {"checks": ({**o.checks[0], "points": float("nan")}, *o.checks[1:])}, "not those of the registered"),
        (lambda o: {"checks": ({**o.checks[0], "points": 1.0}, *o.checks[1:])}, "its cell says 2.0"),
        (lambda o: {"state": "perfect"}, "no state 'perfect'"),
        (lambda o: {"notebook": ""}, "no notebook"),
    ],
)
def test_an_outcome_that_does_not_fit_the_lab_is_our_fault_and_leaves_nothing(books, course, spoil, said):
    before = rehearsal.contents(course.db_url)
    good = outcome(LAB)
    bad = Outcome(**{**{name: getattr(good, name) for name in Outcome.__dataclass_fields__}, **spoil(good)})
    with pytest.raises(GradingFault, match=said):
        books.write(job(LAB, "anna"), bad)
    assert rehearsal.contents(course.db_url) == before
    assert books.write(job(LAB, "anna"), good)["score"] == FULL, "the next one is written"


@pytest.mark.parametrize("student", ["../anna", "", ".", "a" * 129, "a/b"])
def test_a_student_whose_name_is_no_folder_is_refused(books, course, student):
    with pytest.raises(GradingFault, match="no name of a folder"):
        books.write(job(LAB, student), outcome(LAB))


def test_registering_again_keeps_grades(books, course):
    books.write(job(LAB, "anna"), outcome(LAB))
    before = rehearsal.contents(course.db_url)
    first = books.register(LAB)
    with books.gradebook.transaction() as session:
        session.execute(sa.text("UPDATE quintet_lab SET notebook = 'of an older version'"))
    assert books.register(LAB) == first
    assert rehearsal.contents(course.db_url) == before


def test_a_formula_in_a_reason_is_text_in_the_export(books, course, tmp_path):
    books.write(job(LAB, "anna"), no_submission('=HYPERLINK("http://x")'))
    assert exported(course, tmp_path / "g.csv")["anna"]["reason"].startswith("'=")


# ---- the process


def test_the_same_key_twice_is_one_row_and_everything_put_is_written_before_the_end(course):
    pairs = rehearsal.some(LAB, 9)
    with Writer(course, waiting=4) as writer:
        first = [writer.put(*pair) for pair in pairs]
        twice = [writer.put(*pair) for pair in pairs if pair[1].state != UNGRADED]
    assert all(f.done() for f in first + twice)
    keys = [f.result()["key"] for f in first]
    assert keys == [j.key for j, _ in pairs]
    assert {json.dumps(f.result()) for f in twice} <= {json.dumps(f.result()) for f in first} or len(twice) < len(first)
    with sa.create_engine(course.db_url).connect() as database:
        assert database.scalar(sa.text("SELECT count(*) FROM quintet_journal")) == len(pairs)


@pytest.mark.slow
def test_a_second_command_on_the_same_course_is_refused_until_the_first_one_ends(course):
    with Writer(course):
        start = time.monotonic()
        with pytest.raises(Refusal, match="another command is grading into"):
            Writer(course)
        assert time.monotonic() - start < 30
    Writer(course).close()


def test_a_killed_writer_is_told_to_everybody_who_waits_and_to_those_who_come_later(course):
    with Writer(course) as writer:
        writer.put(job(LAB, "anna"), outcome(LAB)).result(60)
        os.kill(writer.pid, signal.SIGSTOP)
        waiting = [writer.put(job(LAB, f"s{i}"), outcome(LAB)) for i in range(3)]
        os.kill(writer.pid, signal.SIGKILL)
        for future in [*waiting, writer.register(LAB)]:
            with pytest.raises(GradingFault, match="the process that writes the gradebook ended"):
                future.result(20)
    assert set(Journal(course.db_url).done(LAB)) == {job(LAB, "anna").key}


def test_a_writer_that_hangs_is_ended_and_everybody_told(course):
    with Writer(course, patience=2.0) as writer:
        os.kill(writer.pid, signal.SIGSTOP)
        with pytest.raises(GradingFault, match="run the command again"):
            writer.put(job(LAB, "anna"), outcome(LAB)).result(20)
    assert not psutil.pid_exists(writer.pid)


def test_a_killed_command_leaves_no_writer_and_no_lock(course):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom quintet_grading.course import Course\n"
        "from quintet_grading.record import Writer\n"
        f"print(Writer(Course(Path({str(course.folder)!r}))).pid, flush=True)\ntime.sleep(60)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(command.stdout.readline())
    assert psutil.pid_exists(pid)
    command.kill()
    command.wait()
    until = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    Writer(course).close()


def test_a_gradebook_that_is_not_there_is_empty_and_one_that_cannot_be_read_is_our_fault(tmp_path):
    assert Journal(f"sqlite:///{tmp_path}/none.db").done(LAB) == {}
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(GradingFault, match="cannot be read"):
        Journal(f"sqlite:///{tmp_path}/bad.db").done(LAB)


# ---- faults


@pytest.fixture(scope="module")
def undisturbed(registered, tmp_path_factory):
    """30 outcomes, and what they leave when nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed") / "course"
    shutil.copytree(registered, folder)
    course, pairs = Course(folder), rehearsal.some(LAB, 30)
    with Writer(course) as writer:
        wait([writer.put(*pair) for pair in pairs], 120)
    assert {o.state for _, o in pairs} == {"graded", "limited", "ungraded"}
    return pairs, all_of(course)


def all_of(course: Course) -> tuple:
    return rehearsal.contents(course.db_url), rehearsal.files(course), Journal(course.db_url).records(LAB)


def write_rest(course: Course, pairs: list, seconds: float = 120) -> int:
    """As a rerun does: what the journal does not have. How many that were."""
    done = Journal(course.db_url).done(LAB)
    left = [pair for pair in pairs if pair[0].key not in done]
    with Writer(course) as writer:
        for future in [writer.put(*pair) for pair in left]:
            future.result(seconds)
    return len(left)


def kill_while_writing(course: Course, pairs: list, at: float, seconds: float) -> int:
    """SIGKILL the writer `seconds` after it has confirmed this share of `pairs`; how many it had confirmed."""
    with Writer(course, waiting=len(pairs) + 1) as writer:
        futures = [writer.put(*pair) for pair in pairs]
        futures[int(at * len(pairs))].result(60)
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        wait(futures, 60)
    confirmed = {f.result()["key"] for f in futures if f.exception() is None}
    assert all(isinstance(f.exception(), GradingFault) for f in futures if f.exception() is not None)
    graded = {j.key for j, o in pairs if o.state != UNGRADED}
    assert confirmed & graded <= set(Journal(course.db_url).done(LAB)), "what was confirmed is there"
    return len(confirmed)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_and_double_nothing(course, undisturbed):
    pairs, expected = undisturbed
    moments, interrupted = random.Random(2), 0
    empty = course.folder.with_name("empty")
    shutil.copytree(course.folder, empty)
    for _ in range(5):  # four kills each, one on the heels of the other
        shutil.rmtree(course.folder)
        shutil.copytree(empty, course.folder)
        for _ in range(4):
            done = Journal(course.db_url).done(LAB)
            left = [pair for pair in pairs if pair[0].key not in done]
            interrupted += kill_while_writing(course, left, moments.uniform(0, 0.4), moments.uniform(0, 0.05)) < len(
                left
            )
        write_rest(course, pairs)
        assert all_of(course) == expected
    assert interrupted >= 10, "most kills came in the middle"


@pytest.mark.slow
def test_kills_while_a_new_gradebook_is_made_lose_nothing(tmp_path, undisturbed):
    pairs, expected = undisturbed
    course, moments = Course(tmp_path / "course"), random.Random(3)
    for _ in range(6):
        with Writer(course) as writer:
            writer.register(LAB)
            time.sleep(moments.uniform(0.5, 3.0))
            os.kill(writer.pid, signal.SIGKILL)
    with Writer(course) as writer:
        writer.register(LAB).result(60)
    write_rest(course, pairs)
    assert all_of(course) == expected


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root; the next test is the portable form")
def test_a_full_disk_loses_nothing(course, undisturbed, tmp_path):
    pairs, expected = undisturbed
    disk = tmp_path / "disk"
    disk.mkdir()
    used = sum(p.stat().st_blocks * 512 for p in course.folder.rglob("*"))
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={used + 500_000}", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let root mount a tmpfs; the next test is the portable form")
    try:
        shutil.copytree(course.folder, disk / "course")
        full = Course(disk / "course")
        with Writer(full) as writer:
            futures = [writer.put(*pair) for pair in pairs]
            wait(futures, 60)
        failed = [f for f in futures if f.exception() is not None]
        assert 0 < len(failed) < len(pairs)
        assert all(isinstance(f.exception(), GradingFault) for f in failed)
        assert {"No space left" in str(f.exception()) or "full" in str(f.exception()) for f in failed} == {True}
        confirmed = {f.result()["key"] for f in futures if f.exception() is None}
        known = {row["key"] for row in Journal(full.db_url)._rows()}
        assert known == confirmed, "what failed left no row"
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        write_rest(full, pairs)
        assert all_of(full) == expected
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
def test_files_that_may_not_grow_lose_nothing(course, undisturbed):
    pairs, expected = undisturbed
    with Writer(course) as writer:
        writer.register(LAB).result(60)
        size = (course.folder / "gradebook.db").stat().st_size + 20_000
        resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (size, size))
        futures = [writer.put(*pair) for pair in pairs]
        wait(futures, 60)
    failed = [f for f in futures if f.exception() is not None]
    assert failed and all(isinstance(f.exception(), GradingFault) for f in failed)
    write_rest(course, pairs)
    assert all_of(course) == expected


@pytest.mark.slow
def test_a_gradebook_that_somebody_else_has_locked_is_waited_for(course):
    other = sqlite3.connect(course.folder / "gradebook.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with Writer(course) as writer:
        future = writer.put(job(LAB, "anna"), outcome(LAB))
        time.sleep(2)
        assert not future.done()
        other.execute("COMMIT")
        assert future.result(60)["score"] == FULL
    other.close()
