"""Record: one process writes the gradebook, and a journal in the gradebook's own database says what is done.

    with Writer(course) as writer:
        writer.register(lab).result()
        done = Journal(course.db_url).done(lab)
        writer.put(job, outcome).result()  # committed: grades, journal row and notebook

Theory of operation. The command starts one child (gradebook.py), the only process that writes: jobs and outcomes go to
it through a pipe, one answer a message comes back, and at most `waiting` are unanswered. Both sides are trusted;
neither ever holds student code, and secrets (seeds) are not sent. A submission's grades and its journal row commit in
one transaction, after its notebook was renamed into place: a kill at any moment leaves both or neither, and a rerun
does what is not in the journal. Nothing is inferred from files, nor from the order of clocks.

Who ends whom: the child holds the course's lock, which the kernel releases with it. It ends when it was told to, when
its pipe closes, or with its parent. The parent kills it when it has not answered for `patience` seconds. Whoever waits
for an answer then gets a GradingFault.
"""

import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import datetime
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Float, Integer, String, Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from quintet_grading import GradingFault, Refusal
from quintet_grading.course import Course
from quintet_grading.job import UNGRADED, Job, Outcome

OUR_TABLES = sa.MetaData()  # beside nbgrader's own tables

JOURNAL = sa.Table(
    "quintet_journal",
    OUR_TABLES,
    Column("key", String(64), primary_key=True),  # Job.key
    Column("student", String(128), nullable=False, index=True),
    Column("lab", String(128), nullable=False, index=True),
    Column("submission", String(64), nullable=False),
    Column("version", Text, nullable=False),
    Column("turn", Integer, nullable=False),  # which row of this student and lab it is: clocks do not order anything
    Column("attempt", Integer),  # another submission is another attempt; null: never judged, or none of the lab
    Column("counts", Boolean, nullable=False),  # its grades are those in the gradebook
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("notes", sa.JSON, nullable=False),
    Column("score", Float),  # null while ungraded
    Column("max_score", Float, nullable=False),
    Column("manual_max", Float, nullable=False),
    Column("checks", sa.JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("timestamp", String(64), nullable=False),
    Column("written_at", String(32), nullable=False),  # for people
)

LABS = sa.Table(
    "quintet_lab",
    OUR_TABLES,
    Column("lab", String(128), primary_key=True),
    Column("notebook", String(64), nullable=False),  # SHA-256 of the solution that was registered
)

# ---- reading


def read(database: sa.Connection, **wanted: str) -> list[dict]:
    """The journal's rows with the `wanted` values, each student's in the order of writing."""
    query = sa.select(JOURNAL).order_by(JOURNAL.c.lab, JOURNAL.c.student, JOURNAL.c.turn)
    for name, value in wanted.items():
        query = query.where(JOURNAL.c[name] == value)
    return [dict(row) for row in database.execute(query).mappings()]


def standing(rows: Iterable[dict]) -> dict[tuple[str, str, str], dict]:
    """The last row of each submission, by student, lab and submission."""
    return {(row["student"], row["lab"], row["submission"]): row for row in rows}


def reported(rows: Iterable[dict]) -> dict[tuple[str, str], dict]:
    """What a student is told, by student and lab: the attempt that counts, or, while the last one is ungraded, that."""
    told: dict[tuple[str, str], dict] = {}
    for (student, lab), group in itertools.groupby(rows, lambda row: (row["student"], row["lab"])):
        own = list(group)
        last = own[-1]
        best = next((row for row in own if row["counts"]), None)
        if last["state"] == UNGRADED:
            told[student, lab] = {**last, "reason": f"{last['reason']} {_so_far(last, best)}".strip()}
        elif best is not None:
            told[student, lab] = best
    return told


def _so_far(last: dict, best: dict | None) -> str:
    if best is None:
        return ""
    score = f"{best['score']:g} of {best['max_score']:g}"
    if best["submission"] == last["submission"]:
        return f"(Grading it again did not succeed yet; its earlier grade, {score}, was given by an older version.)"
    return f"(This newer attempt is not graded yet; the best one so far has {score}.)"


class Journal:
    """Reads what was recorded, from any process, while another one writes. A gradebook that is not there is empty."""

    def __init__(self, db_url: str):
        self._url = make_url(db_url)

    def done(self, lab: str) -> dict[str, dict]:
        """What need not be judged again, by `Job.key`."""
        return {row["key"]: row for row in standing(self._rows(lab=lab)).values() if row["state"] != UNGRADED}

    def judged(self, lab: str) -> dict[str, list[dict]]:
        """By student: each file that was judged, as it was judged last. Its key is None where it is to be judged again,
        its attempt where it used up none."""
        rows = self._rows(lab=lab)
        last, found = standing(rows), {}
        for which, row in standing(r for r in rows if r["state"] != UNGRADED).items():
            found.setdefault(row["student"], []).append(row if last[which] is row else {**row, "key": None})
        return found

    def current(self, lab: str) -> dict[str, dict]:
        """The row that each student is told, reason included."""
        return {student: row for (student, _), row in reported(self._rows(lab=lab)).items()}

    def records(self, lab: str) -> list[dict]:
        """The same in the shape of `quintet grade --json`. An ungraded score is null, never 0."""
        names = ("student", "lab", "state", "score", "max_score", "manual_max", "checks", "seconds", "reason")
        return [{name: row[name] for name in names} for row in self.current(lab).values()]

    def attempts_used(self, student: str, lab: str, except_submission: str = "") -> int:
        """How many other submissions of the student were judged; what is ungraded uses none up."""
        judged = {row["submission"] for row in self._rows(lab=lab, student=student) if row["attempt"] is not None}
        return len(judged - {except_submission})

    def _rows(self, **wanted: str) -> list[dict]:
        if self._url.get_backend_name() == "sqlite" and not os.path.exists(self._url.database or ""):
            return []
        engine = sa.create_engine(self._url)
        try:
            with engine.connect() as database:
                return read(database, **wanted) if sa.inspect(database).has_table(JOURNAL.name) else []
        except SQLAlchemyError as error:
            raise GradingFault(f"the gradebook cannot be read, check --db and its server: {one_line(error)}") from error
        finally:
            engine.dispose()


def one_line(error: BaseException) -> str:
    """The part of an error that a person can use; SQLAlchemy appends the statement and a link."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


# ---- writing

START = "import sys; from quintet_grading.gradebook import main; main(*map(int, sys.argv[1:]))"
DEAD = "the process that writes the gradebook ended, what it had not confirmed is not recorded: run the command again"


class Writer:
    """The parent's end. Use as a context manager; `put` and `register` may be called from any thread.

    Raises Refusal when another command writes the same course.
    """

    def __init__(self, course: Course, waiting: int = 32, patience: float = 300.0):
        lock = _lock(course.folder)
        ours, theirs = Pipe()
        # Linux ends the child when the *thread* that started it ends, so only the main one asks for that.
        with_parent = threading.current_thread() is threading.main_thread()
        words = [sys.executable, "-c", START, str(theirs.fileno()), str(int(with_parent))]
        try:
            self._process = subprocess.Popen(
                words, pass_fds=(theirs.fileno(), lock), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        finally:
            os.close(lock)  # the child's copy holds it
            theirs.close()
        self.pid = self._process.pid
        self._pipe: Connection = ours
        self._patience = patience
        self._free = threading.BoundedSemaphore(waiting)
        self._sending, self._state = threading.Lock(), threading.Lock()
        self._count = itertools.count()
        self._waiting: dict[int, Future] = {}
        self._dead = False
        self._heard = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="quintet-record", daemon=True)
        self._reader.start()
        folders = {"folder": str(course.folder), "submitted": str(course.submitted_folder), "db": course.db_url}
        with contextlib.suppress(OSError):  # a child that died at once is reported to whoever waits
            self._pipe.send_bytes(json.dumps(folders).encode())

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def register(self, lab: str, due: datetime | None = None) -> Future:
        """Enter the lab's cells and points into the gradebook, once per version of its solution; grades stay.

        due: the lab's deadline, which nbgrader's late penalties need; None leaves it as it is.
        """
        return self._ask({"do": "register", "lab": lab, "due": due.isoformat() if due else None})

    def put(self, job: Job, outcome: Outcome, extension_seconds: float | None = None) -> Future:
        """Record an outcome; the future's result is the journal's row, once that is committed. Blocks while too many
        wait.

        extension_seconds: the student's later deadline, as nbgrader's gradebook keeps it; 0 or None leaves it as it is.
        """
        names = ("student", "lab", "submission", "version", "reason", "notes", "timestamp")
        return self._ask({
            "do": "write",
            "job": {name: getattr(job, name) for name in names},  # no seed_key: who writes needs no secret
            "outcome": {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__},
            "extension_seconds": extension_seconds,
        })  # fmt: skip

    def close(self) -> None:
        """Wait for what was put, then end the child."""
        with contextlib.suppress(GradingFault):
            self._ask({"do": "end"}).result()
        self._pipe_end()

    def _ask(self, message: dict) -> Future:
        data, future = json.dumps(message).encode(), Future()
        future.set_running_or_notify_cancel()  # what was sent cannot be called back
        self._free.acquire()  # bounded: the reader answers or fails everybody
        future.add_done_callback(lambda _: self._free.release())
        with self._state:
            n, dead = next(self._count), self._dead
            if not dead:
                self._heard = self._heard if self._waiting else time.monotonic()
                self._waiting[n] = future
        if dead:
            future.set_exception(GradingFault(DEAD))
            return future
        with self._sending, contextlib.suppress(OSError):  # the reader sees the same end of the pipe
            self._pipe.send_bytes(n.to_bytes(8) + data)
        return future

    def _read(self) -> None:
        """The thread that hands out answers, until the pipe ends."""
        try:
            with contextlib.suppress(EOFError, OSError):  # the child ended, as it was told to or not
                while True:
                    if self._pipe.poll(0.5):
                        self._answer(json.loads(self._pipe.recv_bytes()))
                    elif self._waiting and time.monotonic() - self._heard > self._patience:
                        break
        finally:
            self._process.kill()
            with self._state:
                self._dead, left = True, list(self._waiting.values())
                self._waiting.clear()
            for future in left:
                future.set_exception(GradingFault(DEAD))

    def _answer(self, answer: dict) -> None:
        with self._state:
            self._heard = time.monotonic()
            future = self._waiting.pop(answer["n"])
        match answer:
            case {"refused": text}:
                future.set_exception(Refusal(text))
            case {"fault": text}:
                future.set_exception(GradingFault(text))
            case _:
                future.set_result(answer["result"])

    def _pipe_end(self) -> None:
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._pipe.close()


def _lock(folder: Path, seconds: float = 2.0) -> int:
    """The course's lock as a descriptor; whoever holds a copy holds the lock. Waits a moment, since a killed command's
    writer may be at its last row."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / ".writing", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(fd)
                raise Refusal(f"another command is grading into {folder}: wait until it ends, or stop it") from None
            time.sleep(0.05)
