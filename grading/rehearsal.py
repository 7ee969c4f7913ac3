"""To rehearse faults with: fabricated outcomes, a gradebook's contents without its random ids, a PostgreSQL server."""

import contextlib
import copy
import functools
import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import sqlalchemy as sa

from quintet import checks
from quintet_grading import GradingFault, bank, run
from quintet_grading.course import Course
from quintet_grading.job import GRADED, LIMITED, UNGRADED, Job, Outcome

NO_POSTGRES = "needs a PostgreSQL server: `apt-get install postgresql`"


@functools.cache
def _reference(lab: str) -> nbformat.NotebookNode:
    return bank.submission(lab, bank.cases(lab)[0])


def job(lab: str, student: str, attempt: int = 1, version: str = "v1", **more) -> Job:
    submission = hashlib.sha256(f"{student} {lab} {attempt}".encode()).hexdigest()
    return Job(student, lab, submission, version, **more)


def outcome(lab: str, lost: tuple[str, ...] = (), state: str = GRADED, reason: str = "", written: str = "") -> Outcome:
    """The reference as the judge would return it, without the points of the checks in `lost`."""
    notebook = copy.deepcopy(_reference(lab))
    found = []
    for cell in notebook.cells:
        id = run.check_id(cell)
        if id is not None:
            most = checks.find(id).points
            points = 0.0 if id in lost else float(most)
            found.append({"id": id, "points": points, "max": most, "findings": []})
            cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": repr(points)})]
        elif cell.cell_type == "markdown" and written and cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = written
    return Outcome(state, reason, nbformat.writes(notebook), tuple(found), 1.5)


def no_submission(reason: str = "Not a submission: no readable notebook.") -> Outcome:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(reason, id="reason")])
    return Outcome(LIMITED, reason, nbformat.writes(notebook))


def ungraded(reason: str = "Not graded yet, by no fault of the student's.") -> Outcome:
    return Outcome(UNGRADED, reason)


def some(lab: str, count: int) -> list[tuple[Job, Outcome]]:
    """`count` outcomes of every kind, by a third as many students; only their last ones are ungraded."""
    ids = [id for id in map(run.check_id, _reference(lab).cells) if id]
    pairs, students = [], max(count // 3, 1)
    for i in range(count):
        student, attempt = f"student{i % students:03}", 1 + i // students
        last = i + students >= count
        kinds = [
            outcome(lab),
            outcome(lab, lost=(ids[i % len(ids)],), written="An answer."),
            outcome(lab, lost=tuple(ids[1:]), state=LIMITED, reason="cell 4: it ran out of time"),
            no_submission(),
            ungraded() if last else outcome(lab, lost=tuple(ids)),
        ]
        when = f"2026-03-{1 + i % 28:02}T12:00:00+01:00"
        pairs.append((job(lab, student, attempt, timestamp=when), kinds[i * 7 % len(kinds)]))
    return pairs


# ---- comparing


def contents(db_url: str) -> dict[str, list]:
    """Every row of every table, what an id stands for in place of random ids, times of writing left out."""
    engine, tables = sa.create_engine(db_url), sa.MetaData()
    try:
        tables.reflect(engine)
        with engine.connect() as database:
            rows = {t.name: [dict(r) for r in database.execute(t.select()).mappings()] for t in tables.sorted_tables}
    finally:
        engine.dispose()
    natural = {"student", "course"}
    by_id = {(name, r["id"]): r for name, all in rows.items() for r in all if "id" in r}

    @functools.cache
    def meaning(table: str, id: str | None) -> object:
        if table in natural or id is None:
            return id
        return tuple(plain(table, by_id[table, id]).items())

    def plain(table: str, row: dict) -> dict:
        out = {}
        for column in tables.tables[table].columns:
            if column.foreign_keys:
                (target,) = column.foreign_keys
                out[column.name] = meaning(target.column.table.name, row[column.name])
            elif (column.name != "id" or table in natural) and column.name not in ("written_at", "turn"):
                out[column.name] = row[column.name]
        return out

    return {name: sorted(repr(plain(name, row)) for row in all) for name, all in rows.items()}


def files(course: Course) -> dict[str, str]:
    """The hash of every notebook that was written, and of whatever else lies there."""
    found = (p for step in ("autograded", "attempts") for p in (course.folder / step).rglob("*") if p.is_file())
    return {str(p.relative_to(course.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


# ---- a server


def postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    here = shutil.which("initdb")
    return found[-1].parent if found else Path(here).parent if here else None


class Postgres:
    """A server of its own on a free loopback port, with the database `quintet`. As root it runs as user `postgres`."""

    def __init__(self, folder: Path, programs: Path):
        self.folder, self.programs = folder, programs
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/quintet"
        self._user = {"user": "postgres"} if os.getuid() == 0 else {}
        if self._user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)

    def _run(self, program: str, *words: str) -> None:
        with open(self.folder / "said", "wb") as said:  # no pipe: a server that goes on running would hold it open
            done = subprocess.run(
                [self.programs / program, *words], cwd=self.folder, stdout=said, stderr=said, timeout=120, **self._user
            )
        if done.returncode:
            raise GradingFault(f"{program} failed: {(self.folder / 'said').read_text(errors='replace').strip()[-500:]}")

    def make(self) -> None:
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "quintet")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        self._run("pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", mode, "stop")


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server, gone afterwards. Raises GradingFault where none is installed."""
    programs = postgres_programs()
    if programs is None:
        raise GradingFault(NO_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="quintet-pg-", dir="/tmp"))  # a socket's path must be short
    server = Postgres(folder, programs)
    try:
        server.make()
        yield server
    finally:
        with contextlib.suppress(GradingFault):  # it may be stopped already
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
