"""The long fault story: whatever is killed, full or away in the middle of `quintet grade`, after a rerun the gradebook
is that of an undisturbed run.

Each test grades a small class by the real command, with the sandbox and all, and does something terrible to it at a
moment drawn over the time that an undisturbed run takes. QUINTET_KILLS says how many times; `make faults` takes 20, the
ordinary tests a few. Compared are all rows of nbgrader's tables and the journal's records; left out are the seconds
that a submission took, and the notebooks' files, in which a student's own cells print times.
"""

import contextlib
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cluster
import nbformat
import psutil
import pytest

from quintet_grading import bank, rehearsal, sandbox
from quintet_grading.course import ROOT, Course
from quintet_grading.record import Journal

LAB = cluster.LAB
KILLS = int(os.environ.get("QUINTET_KILLS", "3"))
CLASS = 7  # of the bank's cases, each with a grade of its own as far as there are so many; one file is no notebook
NO_SANDBOX = sandbox.why_not()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240 + 120 * KILLS),
    pytest.mark.skipif(bool(NO_SANDBOX), reason=f"grades submissions: {NO_SANDBOX}"),
]


def new_class(folder: Path, db: str | None = None) -> Course:
    """The same class each time, with the same key."""
    course = Course(folder / "course", db=db)
    course.folder.mkdir(parents=True)
    (course.folder / "key").write_bytes(cluster.KEY)
    for case in bank.cases(LAB)[: 3 * CLASS : 3]:
        path = course.notebook(case.name, LAB)
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(bank.submission(LAB, case)))
    path = course.notebook("not-a-notebook", LAB)
    path.parent.mkdir(parents=True)
    path.write_text("{ not json")
    return course


def everything(course: Course) -> tuple:
    """What may not differ. Each student is in the journal once."""
    rows = rehearsal.contents(course.db_url)
    judged = Journal(course.db_url).judged(LAB)
    assert all(len(of) == 1 for of in judged.values()), "a grade was given twice"
    records = [{**r, "seconds": 0} for r in Journal(course.db_url).records(LAB)]
    return {name: all for name, all in rows.items() if name != "quintet_journal"}, records


def recorded(course: Course) -> int:
    with contextlib.suppress(Exception):  # the gradebook is just being made
        return len(Journal(course.db_url).done(LAB))
    return 0


def environment(course: Course, **more: str) -> dict[str, str]:
    return {**os.environ, "QUINTET_COURSE": str(course.folder), "COLUMNS": "200", **more}


def command(course: Course, *options: str) -> list[str]:
    words = ["--db", course.db_url] if course.db else []
    return [str(cluster.QUINTET), "grade", LAB, *words, *options]


@contextlib.contextmanager
def grading(course: Course, *options: str, **more: str) -> Iterator[subprocess.Popen]:
    with cluster.process(
        command(course, *options), course.folder / "grade.log", environment(course, **more), cwd=ROOT
    ) as started:
        yield started


def to_the_end(course: Course, *options: str, tries: int = 1) -> None:
    """Run the command until it ends well, `tries` times at most."""
    log = course.folder / "grade.log"
    for _ in range(tries):
        with grading(course, *options) as started:
            cluster.until(lambda: started.poll() is not None, 240, "the class was not graded", log)  # noqa: B023
        if started.returncode == 0:
            return
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@dataclass(frozen=True)
class Undisturbed:
    result: tuple
    first: float  # seconds until the first grade was recorded


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    course, start = new_class(tmp_path_factory.mktemp("undisturbed")), time.monotonic()
    with grading(course) as started:
        cluster.until(lambda: recorded(course), 120, "nothing was graded", course.folder / "grade.log")
        first = time.monotonic() - start
        cluster.finish(started, course.folder / "grade.log")
    result = everything(course)
    assert len(result[1]) == CLASS + 1 and len({r["score"] for r in result[1]}) >= 4, "too uniform a class to compare"
    return Undisturbed(result, first)


def wait_for_a_moment(
    draw: random.Random, early: bool, undisturbed: Undisturbed, course: Course, started: subprocess.Popen
) -> None:
    """Until any time before the first grade, or until some are recorded and a little longer."""
    if early:
        time.sleep(draw.uniform(0.3, undisturbed.first))
        return
    wanted = draw.randint(1, CLASS - 1)
    cluster.until(lambda: recorded(course) >= wanted or started.poll() is not None, 240, "nothing was graded")
    time.sleep(draw.uniform(0, 0.3))


def family(process: subprocess.Popen) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def said(what: str, number: int, found: int) -> None:
    print(f"{what} {number + 1} of {KILLS}: {found} of {CLASS + 1} recorded", flush=True)


# ---- kills


def test_the_whole_command_is_killed(undisturbed, tmp_path):
    draw, middle = random.Random("command"), 0
    for number in range(KILLS):
        course = new_class(tmp_path / str(number))
        with grading(course) as started:
            wait_for_a_moment(draw, number % 2 == 1, undisturbed, course, started)
            helpers = family(started)
            alive = started.poll() is None
            started.kill()
            started.wait(10)
            gone, left = psutil.wait_procs(helpers, timeout=30)
            assert not left, f"a process outlived the command: {[p.cmdline() for p in left]}"
        found = recorded(course)
        middle += alive and found < CLASS + 1
        said("command killed", number, found)
        to_the_end(course)
        assert everything(course) == undisturbed.result
        shutil.rmtree(tmp_path / str(number))
    assert middle >= KILLS / 2, "most kills came in the middle"


def test_the_writer_is_killed(undisturbed, tmp_path):
    draw, middle = random.Random("writer"), 0
    for number in range(KILLS):
        course = new_class(tmp_path / str(number))
        with grading(course) as started:
            wait_for_a_moment(draw, number % 2 == 1, undisturbed, course, started)
            writers = [p for p in family(started) if "quintet_grading.gradebook" in " ".join(_words(p))]
            for writer in writers:
                writer.kill()
            found = recorded(course)
            cluster.until(lambda: started.poll() is not None, 240, "it hung", course.folder / "grade.log")  # noqa: B023
        middle += bool(writers) and found < CLASS + 1
        said("writer killed", number, found)
        to_the_end(course)
        assert everything(course) == undisturbed.result
        shutil.rmtree(tmp_path / str(number))
    assert middle >= KILLS / 2, "most kills came in the middle"


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


class Supervised:
    """A scheduler and two workers that are started again whenever they end, as farm.md advises."""

    def __init__(self, folder: Path):
        self.dask = cluster.Dask(folder)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._lock = threading.Lock()

    def __enter__(self) -> "Supervised":
        self.dask.__enter__()
        self.scheduler = self.dask.scheduler()
        self.workers = [self.dask.worker(), self.dask.worker()]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.dask.__exit__()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            with self._lock:
                if self.scheduler.poll() is not None:
                    self.scheduler = self.dask.scheduler()
                self.workers = [w if w.poll() is None else self.dask.worker() for w in self.workers]

    def kill(self, which: Callable[["Supervised"], subprocess.Popen]) -> None:
        """SIGKILL, and all that it had started with it gone soon."""
        with self._lock:
            process = which(self)
            helpers = family(process)
            process.kill()
            process.wait(10)
        _, left = psutil.wait_procs(helpers, timeout=30)
        assert not left, f"a process outlived its worker: {[p.cmdline() for p in left]}"


@pytest.mark.parametrize("what", ["worker", "scheduler"])
def test_a_worker_or_the_scheduler_is_killed(what, undisturbed, tmp_path):
    draw, kills, middle, run = random.Random(what), 0, 0, 0
    with Supervised(tmp_path) as farm:
        options = ("--scheduler", farm.dask.address)
        while kills < KILLS:
            course = new_class(tmp_path / f"run-{run}")
            run += 1
            with grading(course, *options) as started:
                for _ in range(2):  # more would wear out the three tries that a submission has
                    wait_for_a_moment(draw, draw.random() < 0.3, undisturbed, course, started)
                    if started.poll() is None and kills < KILLS:
                        pick = draw.randrange(2)
                        farm.kill(lambda f: f.workers[pick] if what == "worker" else f.scheduler)  # noqa: B023
                        found = recorded(course)
                        middle += found < CLASS + 1
                        said(f"{what} killed", kills, found)
                        kills += 1
                cluster.until(lambda: started.poll() is not None, 400, "it hung", course.folder / "grade.log")  # noqa: B023
            to_the_end(course, *options, tries=2)
            assert everything(course) == undisturbed.result
            shutil.rmtree(tmp_path / f"run-{run - 1}")
    assert middle >= KILLS / 2, "most kills came in the middle"


# ---- a full disk, a server that restarts, a clock that jumps


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk, which only root can")
def test_the_disk_is_full_in_the_middle(undisturbed, tmp_path):
    (tmp_path / "disk").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", tmp_path / "disk"], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        course = new_class(tmp_path / "disk")
        with grading(course) as started:
            cluster.until(lambda: recorded(course), 120, "nothing was graded", course.folder / "grade.log")
            with contextlib.suppress(OSError), open(tmp_path / "disk" / "full", "wb") as filler:
                while True:
                    filler.write(b"x" * 4096)
                    filler.flush()
            cluster.until(lambda: started.poll() is not None, 240, "it hung")
        found = recorded(course)
        assert started.returncode != 0 and 0 < found < CLASS + 1, "the disk was full in the middle"
        (tmp_path / "disk" / "full").unlink()
        to_the_end(course)
        assert everything(course) == undisturbed.result
    finally:
        subprocess.run(["umount", "-l", tmp_path / "disk"], check=True)


@pytest.mark.skipif(rehearsal.postgres_programs() is None, reason=rehearsal.NO_POSTGRES)
def test_postgresql_restarts_in_the_middle(undisturbed, tmp_path):
    with rehearsal.postgres() as server:
        course = new_class(tmp_path, db=server.url)
        with grading(course) as started:
            cluster.until(lambda: recorded(course), 120, "nothing was graded", course.folder / "grade.log")
            server.stop("immediate")
            time.sleep(2)
            server.start()
            cluster.finish(started, course.folder / "grade.log")
        assert everything(course) == undisturbed.result


CLOCK = """
import datetime, os, time

real, real_time = datetime.datetime, time.time


def jumped():
    with open(os.environ["QUINTET_CLOCK"]) as file:
        return real_time() + float(file.read())


class Kind(type):
    __instancecheck__ = lambda cls, thing: isinstance(thing, real)


class Jumping(real, metaclass=Kind):
    @classmethod
    def now(cls, tz=None):
        return real.fromtimestamp(jumped(), tz)


time.time, datetime.datetime = jumped, Jumping
time.time_ns = lambda: int(jumped() * 1e9)
"""


@pytest.mark.parametrize("days", [-1, 1])
def test_the_clock_jumps_in_the_middle(days, undisturbed, tmp_path):
    """Python's wall clock, in the command and all that it starts outside of the sandbox: this machine's own one is left
    alone, and what the kernel counts itself (sleeping, waiting) does not follow the wall clock anyway."""
    course, clock = new_class(tmp_path), tmp_path / "clock"
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    clock.write_text("0")
    with grading(course, PYTHONPATH=str(tmp_path), QUINTET_CLOCK=str(clock)) as started:
        cluster.until(lambda: recorded(course), 120, "nothing was graded", course.folder / "grade.log")
        (tmp_path / "later").write_text(str(days * 86_400))
        (tmp_path / "later").replace(clock)
        cluster.finish(started, course.folder / "grade.log")
    assert everything(course) == undisturbed.result
    times = [datetime.fromisoformat(row["written_at"]) for row in Journal(course.db_url).current(LAB).values()]
    away = [abs((t - datetime.now(UTC)).total_seconds()) > 43_200 for t in times]
    assert any(away) and not all(away), "the clock jumped in the middle"
