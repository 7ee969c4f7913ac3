"""The process that writes the gradebook: nbgrader's own steps, on one session, in one transaction a submission.

record.py starts it, feeds it and says who ends whom. What it receives was made by the grader and is checked against the
registered lab all the same: a score that does not fit the lab is our fault, and is not recorded. A database that is
away for a while (a restart, a lock) is waited for; any other error rolls the submission back and is told to whoever
waits.
"""

import contextlib
import ctypes
import functools
import hashlib
import json
import logging
import math
import os
import signal
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import nbformat
import nbgrader.preprocessors.latesubmissions
import nbgrader.preprocessors.saveautogrades
import nbgrader.preprocessors.savecells
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from nbgrader import dbutil
from nbgrader.api import (
    Base,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades, SaveCells
from nbgrader.utils import parse_utc
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SAWarning
from sqlalchemy.orm import Session
from traitlets.config import Config, PyFileConfigLoader

from quintet_grading import GradingFault, Refusal
from quintet_grading.course import ROOT, Course, solution
from quintet_grading.job import GRADED, LIMITED, UNGRADED, Job, Outcome
from quintet_grading.record import JOURNAL, LABS, OUR_TABLES, one_line, read, standing

COURSE_ID = "quintet"  # as in nbgrader_config.py
OUTAGE_SECONDS = 60.0  # how long a database may be away
MAX_SUBMITTED_BYTES = 20 * 2**20

# ---- nbgrader's gradebook, shared


class Shared(Gradebook):
    """nbgrader's gradebook on one session: its steps' commits do nothing, and `transaction` commits."""

    def __init__(self, db_url: str):
        url = make_url(db_url)
        if url.get_backend_name() == "sqlite":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            url = url.update_query_dict({"timeout": "30"})  # formgrader may hold the file for a moment
        _make_tables(url)
        super().__init__(url, COURSE_ID)
        self.db.commit = lambda: None
        self.grades: dict[str, Grade] = {}
        self.comments: dict[str, Comment] = {}
        self._lock = None
        if url.get_backend_name() == "postgresql":
            # The course's lock is a file of this machine; other machines may reach the same server.
            self._lock = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            until = time.monotonic() + 5
            while not self._lock.scalar(text("SELECT pg_try_advisory_lock(hashtext('quintet'), 0)")):
                if time.monotonic() > until:
                    self.shut()
                    raise Refusal("another machine is grading into this database: wait until it ends, or stop it")
                time.sleep(0.1)

    def close(self) -> None:
        """A step's `with` ends; the session goes on."""

    def shut(self) -> None:
        if self._lock is not None:
            self._lock.close()
        super().close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        session = self.db()
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.expunge_all()  # other processes write too: a person's scores, in formgrader

    def find_grade(self, grade_cell: str, *where: str) -> Grade:
        return self.grades.get(grade_cell) or super().find_grade(grade_cell, *where)

    def find_comment(self, solution_cell: str, *where: str) -> Comment:
        return self.comments.get(solution_cell) or super().find_comment(solution_cell, *where)

    @contextlib.contextmanager
    def steps(self, book: SubmittedNotebook | None = None) -> Iterator[None]:
        """Within, nbgrader's steps find this gradebook where they would open one of their own (engine, tables and
        course anew for each), and the rows of `book` where they would ask for each by a join of six tables."""
        modules = [getattr(nbgrader.preprocessors, m) for m in ("saveautogrades", "savecells", "latesubmissions")]
        for module in modules:
            module.Gradebook = lambda *_: self
        if book is not None:
            names = dict(self.db.query(BaseCell.id, BaseCell.name).filter_by(notebook_id=book.notebook_id).all())
            self.grades = {names[g.cell_id]: g for g in book.grades}
            self.comments = {names[c.cell_id]: c for c in book.comments}
        try:
            yield
        finally:
            self.grades, self.comments = {}, {}
            for module in modules:
                module.Gradebook = Gradebook


def _make_tables(url) -> None:
    """nbgrader's tables and ours. Each statement may be repeated, so that a kill between two of them does no harm."""
    engine = create_engine(url)
    try:
        Base.metadata.create_all(engine)
        OUR_TABLES.create_all(engine)
        with engine.begin() as database:
            if not inspect(database).has_table("alembic_version"):
                database.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
            if database.scalar(text("SELECT count(*) FROM alembic_version")) == 0:
                with dbutil._temp_alembic_ini(str(url)) as ini:
                    head = ScriptDirectory.from_config(AlembicConfig(ini)).get_current_head()
                database.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": head})
    finally:
        engine.dispose()


def config(course: Course) -> Config:
    """nbgrader's configuration, from grading/nbgrader_config.py."""
    os.environ["QUINTET_COURSE"] = str(course.folder)
    return PyFileConfigLoader("nbgrader_config.py", path=str(ROOT / "grading")).load_config()


# ---- one submission


class Books:
    """A course's gradebook, journal and notebooks, open for writing."""

    def __init__(self, course: Course):
        self.course = course
        self.gradebook = Shared(course.db_url)
        self._labs: dict[str, dict[str, tuple[bool, float]]] = {}

    @functools.cached_property
    def _config(self) -> Config:
        return config(self.course)

    @functools.cached_property
    def _penalties(self) -> AssignLatePenalties:
        made = AssignLatePenalties(config=self._config)
        made.init_plugin()
        return made

    # ---- labs

    def register(self, lab: str, due: str | None = None) -> str:
        """As `nbgrader generate_assignment` does, without its files; nothing where this version is known. Returns the
        solution's hash."""
        data = solution(lab).read_bytes()
        version = hashlib.sha256(data).hexdigest()
        with self.gradebook.transaction() as session:
            known = session.execute(LABS.select().where(LABS.c.lab == lab)).first()
            if known is None or known.notebook != version:
                self._save_cells(lab, nbformat.reads(data.decode(), as_version=4))
                session.execute(LABS.delete().where(LABS.c.lab == lab))
                session.execute(LABS.insert().values(lab=lab, notebook=version))
            if due:
                self.gradebook.update_or_create_assignment(lab, duedate=due)
        self._labs.pop(lab, None)
        return version

    def _save_cells(self, lab: str, notebook: nbformat.NotebookNode) -> None:
        self.gradebook.update_or_create_assignment(lab)
        resources = self._resources(lab, ".")
        try:
            with self.gradebook.steps():
                for kind in GenerateAssignment(config=self._config).preprocessors:
                    notebook, resources = kind(config=self._config)(notebook, resources)
                    if issubclass(kind, SaveCells):
                        break
        except RuntimeError as error:  # nbgrader's word for cells that came or went after grades were given
            remedy = "give the changed lab a new name, or remove its grades with `nbgrader db assignment remove`"
            raise Refusal(f"lab {lab} cannot be entered into the gradebook, {remedy}: {error}") from error

    def _lab(self, lab: str) -> dict[str, tuple[bool, float]]:
        """Of each graded cell: whether a check grades it, and its points."""
        if lab not in self._labs:
            try:
                notebook = self.gradebook.find_notebook(lab, lab)
            except MissingEntry:
                raise GradingFault(f"lab {lab} is not in the gradebook: register it first") from None
            written = {cell.name for cell in notebook.solution_cells}
            graded = [*notebook.grade_cells, *notebook.task_cells]
            self._labs[lab] = {
                c.name: (c.cell_type == "code" and c.name not in written, float(c.max_score)) for c in graded
            }
        return self._labs[lab]

    def _resources(self, lab: str, student: str) -> dict:
        names = {"student": student, "assignment": lab, "notebook": lab, "db_url": self.course.db_url}
        return {"unique_key": lab, "nbgrader": names}

    # ---- outcomes

    def write(self, job: Job, outcome: Outcome, extension_seconds: float | None = None) -> dict:
        """Record an outcome: the row of the journal. The same key again changes nothing, unless it was ungraded or
        another version was recorded since."""
        with self.gradebook.transaction() as session:
            row = self._row(job, outcome)
            rows = read(session.connection(), student=job.student, lab=job.lab)
            last = standing(rows).get((job.student, job.lab, job.submission))
            if last is not None and last["key"] == job.key and last["state"] != UNGRADED:
                return last
            row = _placed(row, rows, is_submission=not job.reason)
            rows = [r for r in rows if r["key"] != job.key] + [row]
            session.execute(JOURNAL.delete().where(JOURNAL.c.key == job.key))
            session.execute(JOURNAL.insert().values(row))
            if outcome.state != UNGRADED:
                self._keep(job, outcome)
                self._grade(session, rows, extension_seconds)
        return row

    def _row(self, job: Job, outcome: Outcome) -> dict:
        """The outcome as the journal has it. Raises GradingFault for one that does not fit the lab."""
        lab = self._lab(job.lab)
        checked = {name: most for name, (by_check, most) in lab.items() if by_check}
        judged = outcome.state != UNGRADED
        _is_possible(job, outcome, checked)
        return {
            "key": job.key,
            **{name: getattr(job, name) for name in ("student", "lab", "submission", "version", "timestamp")},
            "state": outcome.state,
            "reason": outcome.reason or job.reason,
            "notes": list(job.notes),
            "score": sum(c["points"] for c in outcome.checks) if judged else None,
            "max_score": sum(checked.values()),
            "manual_max": sum(most for by_check, most in lab.values() if not by_check),
            "checks": [dict(c) for c in outcome.checks] if judged else [],
            "seconds": outcome.seconds,
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _grade(self, session: Session, rows: list[dict], extension_seconds: float | None) -> None:
        """Bring the attempt that counts into the gradebook: the best, of equal ones the latest."""
        new = rows[-1]
        self.gradebook.update_or_create_student(new["student"])
        submission = self.gradebook.update_or_create_submission(new["lab"], new["student"])
        session.flush()
        if extension_seconds:
            submission.extension = timedelta(seconds=extension_seconds)
        judged = [r for r in standing(r for r in rows if r["state"] != UNGRADED).values()]
        best = max(judged, key=lambda r: (self._net(submission, r), r["attempt"] or 0, r["turn"]))
        notebook = self._kept(best)
        if best is new or not best["counts"]:
            submission.timestamp = parse_utc(best["timestamp"]) if best["timestamp"] else None
            self._save_grades(submission, best, notebook)
        own = (JOURNAL.c.student == new["student"]) & (JOURNAL.c.lab == new["lab"])
        session.execute(JOURNAL.update().where(own).values(counts=JOURNAL.c.key == best["key"]))
        new["counts"] = best is new
        self._show(best, notebook)

    def _net(self, submission: SubmittedAssignment, row: dict) -> float:
        """An attempt's score less what nbgrader's plugin takes for being late."""
        if not row["timestamp"] or submission.duedate is None:
            return row["score"]
        late = (parse_utc(row["timestamp"]) - submission.duedate).total_seconds()
        if late <= 0:
            return row["score"]
        penalty = self._penalties.plugin_inst.late_submission_penalty(row["student"], row["score"], late) or 0.0
        return row["score"] - min(max(penalty, 0.0), row["score"])

    def _save_grades(self, submission: SubmittedAssignment, row: dict, notebook: str) -> None:
        """nbgrader's own steps on the judged notebook. Raises GradingFault where they and the checks disagree."""
        cells = nbformat.v4.reads(notebook)
        (book,) = (n for n in submission.notebooks if n.name == row["lab"])
        resources = self._resources(row["lab"], row["student"])
        points = {c["id"].replace("/", "-"): c["points"] for c in row["checks"]}
        with self.gradebook.steps(book):
            SaveAutoGrades()(cells, resources)
            present = {c.metadata.get("nbgrader", {}).get("grade_id") for c in cells.cells}
            for name, comment in self.gradebook.comments.items():
                if name not in present:
                    comment.auto_comment = None
            for name, grade in self.gradebook.grades.items():
                if name not in present:
                    grade.auto_score, grade.needs_manual_grade = 0.0, grade.manual_score is not None
                if name in points and grade.auto_score != points[name]:
                    raise GradingFault(
                        f"{name} has {points[name]:g} points, its cell says {grade.auto_score}: nothing of "
                        f"{row['student']} was recorded"
                    )
            book.late_submission_penalty = None
            if submission.total_seconds_late > 0:
                self._penalties(cells, resources)

    # ---- files

    @property
    def _attempts(self) -> Path:
        return self.course.folder / "attempts"

    def _folder(self, row: dict) -> Path:
        return self.course.attempt(row["lab"], row["student"], row["key"])

    def _keep(self, job: Job, outcome: Outcome) -> None:
        """Each attempt as it was handed in and as it was judged, for appeals."""
        root, folder = self._attempts, self._folder({"lab": job.lab, "student": job.student, "key": job.key})
        _replace(root, folder / f"{job.lab}.ipynb", outcome.notebook.encode())
        handed_in = _submitted(self.course.notebook(job.student, job.lab), job.submission)
        if handed_in is not None:
            _replace(root, folder / "submitted.ipynb", handed_in)

    def _kept(self, row: dict) -> str:
        path = self._folder(row) / f"{row['lab']}.ipynb"
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise GradingFault(
                f"attempt {row['attempt']} of {row['student']} counts, but {path} is gone: put it back from a copy"
            ) from None

    def _show(self, row: dict, notebook: str) -> None:
        """The notebook that counts, where nbgrader looks for it."""
        root, folder = self.course.folder / "autograded", self.course.path("autograded", row["student"], row["lab"])
        _replace(root, folder / f"{row['lab']}.ipynb", notebook.encode())
        if row["timestamp"]:
            _replace(root, folder / "timestamp.txt", row["timestamp"].encode())
        else:
            (folder / "timestamp.txt").unlink(missing_ok=True)


def _is_possible(job: Job, outcome: Outcome, checked: dict[str, float]) -> None:
    """Raise GradingFault unless the outcome is one that this lab can have."""
    found = {c["id"].replace("/", "-"): c for c in outcome.checks}
    names = (job.student, job.lab)
    wrong = ""
    if any(not n or len(n) > 128 or "/" in n or "\0" in n or n.startswith(".") for n in names):
        wrong = "its student or lab is no name of a folder"
    elif outcome.state not in (GRADED, LIMITED, UNGRADED):
        wrong = f"there is no state {outcome.state!r}"
    elif outcome.state == UNGRADED:
        return
    elif not outcome.notebook:
        wrong = "it has no notebook"
    elif len(found) < len(outcome.checks) or (outcome.state == GRADED or found) and set(found) != set(checked):
        wrong = f"its checks are {', '.join(found) or 'none'}, the registered lab has {', '.join(checked)}"
    elif any(c["max"] != checked[n] or not 0 <= c["points"] <= c["max"] for n, c in found.items()):
        wrong = "its points are not those of the registered lab"
    elif not math.isfinite(outcome.seconds):
        wrong = "its seconds are no number"
    if wrong:
        raise GradingFault(f"the outcome of {job.student!r} for {job.lab} was not recorded: {wrong}")


def _placed(row: dict, rows: list[dict], is_submission: bool) -> dict:
    """The row with its turn among the student's `rows`, and its attempt: a new one for a submission not judged yet,
    none for a file that is no submission of the lab."""
    same = [r["attempt"] for r in rows if r["submission"] == row["submission"] and r["attempt"] is not None]
    taken = [r["attempt"] or 0 for r in rows]
    counts = is_submission and row["state"] != UNGRADED
    attempt = same[0] if same else 1 + max(taken, default=0) if counts else None
    turn = 1 + max((r["turn"] for r in rows), default=0)
    return {**row, "turn": turn, "attempt": attempt, "counts": False}


def _replace(root: Path, path: Path, data: bytes) -> None:
    """Written whole or not at all. What a kill leaves has one name in `root`, and is overwritten."""
    root.mkdir(mode=0o700, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = root / ".part"
    try:
        part.unlink(missing_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _submitted(path: Path, digest: str) -> bytes | None:
    """The file as it was handed in, if it still is the one with that hash."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SUBMITTED_BYTES:
                return None
            data = file.read()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None


# ---- the process


class Keeper:
    """Answers messages, one at a time and in order."""

    def __init__(self, course: Course):
        self.course = course
        self._books: Books | None = None
        self._away_since: float | None = None

    def answer(self, message: dict) -> dict:
        """`{result}`, or `{refused}` or `{fault}` with one sentence."""
        try:
            return {"result": self._patiently(lambda: self._do(message))}
        except GradingFault as error:
            return {"fault": str(error)}
        except Refusal as error:
            return {"refused": str(error)}
        except Exception as error:  # noqa: BLE001 the submission was rolled back, and the next one is tried
            who = message.get("job", {}).get("student", message.get("lab"))
            return {
                "fault": f"{who} is not recorded, put this right and run the command again: {one_line(_cause(error))}"
            }

    def _do(self, message: dict) -> object:
        if self._books is None:
            self._books = Books(self.course)
        match message:
            case {"do": "write", "job": job, "outcome": outcome, "extension_seconds": seconds}:
                job["notes"], outcome["checks"] = tuple(job["notes"]), tuple(outcome["checks"])
                return self._books.write(Job(**job), Outcome(**outcome), seconds)
            case {"do": "register", "lab": lab, "due": due}:
                return self._books.register(lab, due)
        raise GradingFault(f"the writer does not know {message.get('do')!r}")

    def _drop(self) -> None:
        """Connections, and the lock on the server, are made anew."""
        books, self._books = self._books, None
        with contextlib.suppress(Exception):  # they are broken, which is why
            books.gradebook.shut()

    def _patiently(self, action: Callable[[], object]) -> object:
        """Again while the database is away. Who comes after an outage that was too long tries once."""
        pause = 0.1
        while True:
            try:
                result = action()
            except Exception as error:  # noqa: BLE001 looked at, and raised again unless it passes
                now = time.monotonic()
                if not _passes(error):
                    raise
                self._drop()
                self._away_since = self._away_since or now
                if now - self._away_since > OUTAGE_SECONDS:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
            else:
                self._away_since = None
                return result


def _cause(error: BaseException) -> BaseException:
    """The database's own error: nbgrader raises InvalidEntry in its place."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DBAPIError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


def _passes(error: BaseException) -> bool:
    """Is it a database that is away for a while, rather than one that says no?"""
    cause = _cause(error)
    if not isinstance(cause, DBAPIError) or isinstance(cause, IntegrityError):
        return False
    if type(cause.orig).__module__.startswith("sqlite3"):
        return "locked" in str(cause.orig)
    code = getattr(cause.orig, "sqlstate", None)
    return cause.connection_invalidated or code is None or code[:2] in ("08", "57")  # PostgreSQL: connection, operator


def main(fd: int, with_parent: int) -> None:
    """Serve record.Writer on the pipe `fd` until it ends."""
    if with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent then drains this one
    logging.disable(logging.CRITICAL)  # nbgrader's; what goes wrong is told to whoever waits
    # nbgrader 0.9.6 builds rows before it adds them to the session, which SQLAlchemy 2 reports each time.
    warnings.filterwarnings("ignore", category=SAWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    pipe = Connection(fd)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone: what it had not sent is not recorded
        hello = json.loads(pipe.recv_bytes())
        keeper = Keeper(Course(Path(hello["folder"]), Path(hello["submitted"]), hello["db"]))
        while True:
            data = pipe.recv_bytes()
            message = json.loads(data[8:])
            end = message["do"] == "end"
            answer = {"result": None} if end else keeper.answer(message)
            pipe.send_bytes(json.dumps({"n": int.from_bytes(data[:8]), **answer}).encode())
            if end:
                break
