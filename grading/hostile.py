"""The hostile bank: submissions that cheat, break out, exhaust, are malformed or noisy, each with its required result.

`grading/bank/hostile/GROUP/NAME.py` holds one submission of lab 2_1_amp as data, under a block of TOML:

    item     what it is a case of: words of the list that the bank has to cover, or "further"
    about    one sentence: what it tries
    base     who answers the steps that it does not: "blank" (the default), "reference"
    score    the points that it must get, not one more or less
    state    "graded" (the default), "limited", or "any" where both are right and the score alone counts
    never    texts that must not be in what the student gets back
    fools    the kind of in-kernel grader that gives it points: "asserts" or "self-check" (proved in the tests)

Below it are cells in percent format: `# %% ID` replaces the cell of that grade_id or id, `# %% before ID` and
`# %% after ID` add one. `# %% build` is ours and trusted: `edit(notebook)` changes the notebook's JSON, or
`write(notebook, path)` writes what is handed in. Words such as @gradebook@ become the real places and numbers: an
intruder is taken to know them. In a case of the group escape, `attempt(what, act)` prints whether `act` was denied.

Theory of operation. `run` makes a course with traps (`Traps`), then starts a process of its own that hands the whole
bank in, honest neighbours before, between and after, and grades it as `quintet grade` does. That process may be killed
by what it grades; this one adopts whatever is left over (it is a subreaper), looks at records, pages and traps, and
ends every process that it started.
"""

import contextlib
import ctypes
import errno
import functools
import glob
import hashlib
import html.parser
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from quintet import data
from quintet_grading import bank, sandbox
from quintet_grading.course import ROOT, Course
from quintet_grading.job import GRADED, LIMITED

LAB = "2_1_amp"
FOLDER = bank.BANK / "hostile"
KEPT = ("torchinductor_", "dask-scratch-space")  # folders that these libraries keep in the folder for temporary files
GROUPS = ("cheating", "escape", "exhaustion", "malformed", "noise")
ANY = "any"
LIMITS = {  # in course.toml: short, so that what hangs costs seconds; everybody but the exhausting has EXTRA_TIME
    "cell_seconds": 10.0, "check_seconds": 10.0, "total_seconds": 40.0, "memory_bytes": 2 * 2**30, "processes": 64,
    "disk_bytes": 64 * 2**20, "output_chars": 20_000,
}  # fmt: skip
EXTRA_TIME = 6.0
HONEST = {"blank": 0, "clip-before-unscale": 18, "reference": 20}
PLACES = ("aa", "ex", "mm", "zz")  # where honest neighbours stand in the class, which is graded by name
MAX_NOTEBOOK, MAX_PAGE, MAX_RECORD = 3_000_000, 6_000_000, 60_000  # bytes of what a student gets back
KINDS = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png"}

ATTEMPT = '''
def attempt(what, act):
    """Print whether `act` was denied."""
    try:
        print("ESCAPED:", what, repr(act())[:200])
    except BaseException as error:
        print("denied:", what, type(error).__name__)


def call(name, *args):
    """A function of the C library that answers -1 when it fails."""
    import ctypes
    import os

    if getattr(ctypes.CDLL(None, use_errno=True), name)(*args) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"


def apart(act):
    """`act` in a forked child, so that what it changes does not stay."""
    import os

    if (child := os.fork()) == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError("it failed in a child")
    return "done"
'''


@dataclass(frozen=True)
class Case:
    """A hostile or faulty submission and its required result."""

    name: str
    group: str
    item: str
    about: str
    score: float
    state: str = GRADED
    base: str = "blank"
    never: tuple[str, ...] = ()
    fools: str = ""
    cells: tuple[tuple[str, str, str], ...] = ()  # (at | before | after, id, source)
    build: str = ""

    @property
    def student(self) -> str:
        return f"{self.group}-{self.name}"


def cases() -> list[Case]:
    """All of them, by group and name. Raises ValueError for a file that is not a case."""
    return [read(path) for group in GROUPS for path in sorted((FOLDER / group).glob("*.py"))]


def read(path: Path) -> Case:
    head, *parts = path.read_text(encoding="utf-8").split("\n# %% ")
    try:
        _, block, _ = head.split("# ///")
        meta = tomllib.loads("\n".join(line.removeprefix("# ") for line in block.removeprefix(" case").splitlines()))
        meta["never"] = tuple(meta.get("never", ()))
        sources = [part.split("\n", 1) for part in parts]
        build = [source for name, source in sources if name.strip() == "build"]
        cells = tuple((*_place(name.strip()), source.strip()) for name, source in sources if name.strip() != "build")
        case = Case(path.stem, path.parent.name, cells=cells, build="".join(build), **meta)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name} is not a case of the hostile bank: {error}") from error
    known = case.state in (GRADED, LIMITED, ANY) and case.base in ("blank", "reference")
    if not (cells or build) or not known or case.fools not in ("", "asserts", "self-check"):
        raise ValueError(f"{path.name} needs a cell or a build, a known state and a known base")
    return case


def _place(name: str) -> tuple[str, str]:
    where, _, id = name.rpartition(" ")
    if where not in ("", "before", "after"):
        raise ValueError(f"a cell stands before or after another one, not {where!r}")
    return where or "at", id


# ---- handing in


def notebook(case: Case) -> dict:
    """The case's notebook as JSON, before its own `build`."""
    made = json.loads(_base(case.base))
    for where, id, source in case.cells:
        at = _index(made["cells"], id, case)
        if where == "at":
            made["cells"][at]["source"] = source
        else:
            made["cells"].insert(at + (where == "after"), _cell(source))
    if case.group == "escape":
        made["cells"].insert(0, _cell(ATTEMPT.strip()))
    return made


@functools.cache
def _base(name: str) -> str:
    return json.dumps(bank.submission(LAB, next(c for c in bank.cases(LAB) if c.name == name)))


def _index(cells: list[dict], id: str, case: Case) -> int:
    for i, cell in enumerate(cells):
        if id in (cell["metadata"].get("nbgrader", {}).get("grade_id"), cell.get("id")):
            return i
    raise ValueError(f"{case.name}: lab {LAB} has no cell {id}")


def _cell(source: str) -> dict:
    id = hashlib.sha256(source.encode()).hexdigest()[:12]
    return {"cell_type": "code", "id": id, "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def hand_in(case: Case, folder: Path, student: str, words: dict[str, str]) -> Path:
    """Write the case's submission below `folder`; returns where its notebook is expected. words: see `Traps.words`."""

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        return text

    path = folder / student / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True)
    made = notebook(case)
    for cell in made["cells"]:
        cell["source"] = filled("".join(cell["source"]))
    names: dict = {}
    exec(compile(filled(case.build), f"{case.name}.py", "exec"), names)
    if "edit" in names:
        names["edit"](made)
    names.get("write", lambda made, path: path.write_text(json.dumps(made), encoding="utf-8"))(made, path)
    return path


# ---- traps


class Traps:
    """Things that nobody may read, change, reach or end while the class is graded, and what would show it.

    A context manager: makes them in `folder`, which holds the course too; `problems` tells what happened to them.
    """

    def __init__(self, folder: Path):
        self.folder, self.course = folder, Course(folder / "course")
        self.token, self.secret = f"quintet-{secrets.token_hex(8)}", f"canary-{secrets.token_hex(8)}"
        self.number = secrets.randbelow(2**30) + 1  # key of shared memory
        self.canaries, self.temporary = folder / "canaries", folder / "tmp"

    def __enter__(self) -> "Traps":
        self._stack = contextlib.ExitStack()
        for made in (self.canaries, self.temporary, self.course.submitted_folder):
            made.mkdir(parents=True)
        (self.canaries / "secret").write_text(self.secret)
        self.key = self.course.key()
        self._sockets()
        self.victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
        self._stack.callback(self.victim.wait)
        self._stack.callback(self.victim.kill)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _sockets(self) -> None:
        """Listeners that answer nobody: a connection stays in their queue until `problems` looks."""
        self.listening: dict[str, socket.socket] = {}

        def listen(name: str, family: int, kind: int, address: object) -> socket.socket:
            s = self._stack.enter_context(socket.socket(family, kind))
            s.setblocking(False)
            s.bind(address)
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            self.listening[name] = s
            return s

        for name, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            port = listen(name, socket.AF_INET, kind, ("127.0.0.1", 0)).getsockname()[1]
            with contextlib.suppress(OSError):  # a machine without IPv6
                listen(name + "6", socket.AF_INET6, kind, ("::1", port))
        self.unix = str(self.folder / "listener")
        listen("unix", socket.AF_UNIX, socket.SOCK_STREAM, self.unix)
        listen("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.token}")

    def words(self) -> dict[str, str]:
        """What cases may ask for as @word@."""
        where = self.course.folder
        return {
            "checkout": str(ROOT), "course": str(where), "gradebook": f"{where}/gradebook.db", "key": f"{where}/key",
            "submitted": str(self.course.submitted_folder), "canaries": str(self.canaries),
            "neighbour": str(self.course.notebook(f"{PLACES[-1]}-reference", LAB)), "unix": self.unix,
            "tcp": str(self.listening["tcp"].getsockname()[1]), "udp": str(self.listening["udp"].getsockname()[1]),
            "victim": str(self.victim.pid), "marker": str(self.folder / "marker"), "token": self.token,
            "number": str(self.number),
        }  # fmt: skip

    def remember(self) -> None:
        """Note how files are now; called when everything has been handed in."""
        self._checkout, self._files = _hashes(_sources()), _hashes(_below(self.course.submitted_folder))
        self._rows = self._gradebook()

    def problems(self) -> list[str]:
        return [
            *_changes("the checkout", self._checkout, _hashes(_sources())),
            *_changes("a submission", self._files, _hashes(_below(self.course.submitted_folder))),
            *([] if self._gradebook() == self._rows else ["the gradebook's known rows are not what they were"]),
            *([] if (self.course.folder / "key").read_bytes() == self.key else ["the course's key was changed"]),
            *([] if [p.name for p in self.canaries.iterdir()] == ["secret"] else ["the canaries' folder was changed"]),
            *([] if (self.canaries / "secret").read_text() == self.secret else ["a canary file was changed"]),
            *(["a command reached the host"] if (self.folder / "marker").exists() else []),
            *(f"something reached the {name} listener" for name, s in self.listening.items() if _was_reached(s)),
            *self._victim_problems(),
            *(f"left behind: {path}" for path in self._strays()),
            *_left_in_memory(self.number, self.token),
        ]

    def _gradebook(self) -> list:
        path = self.course.folder / "gradebook.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as book:
            questions = (
                "SELECT * FROM student WHERE id = 'canary'",
                "SELECT * FROM assignment WHERE name = 'canary'",
                "SELECT count(*) FROM grade WHERE manual_score IS NOT NULL",
            )
            return [book.execute(q).fetchall() for q in questions]

    def _victim_problems(self) -> Iterator[str]:
        if self.victim.poll() is not None:
            yield "a process of the host was killed"
            return
        process = psutil.Process(self.victim.pid)
        if process.status() == psutil.STATUS_STOPPED or process.nice() != psutil.Process().nice():
            yield "a process of the host was tampered with"

    def _strays(self) -> Iterator[Path]:
        tops = [ROOT, ROOT / "lib" / "quintet", ROOT / "solutions", data.cache_dir(), Path.home(), Path(sys.prefix)]
        tops += map(Path, ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/etc", "/var/crash"))
        tops += [Path(p) for p in sys.path if p]
        for top in dict.fromkeys(tops):
            yield from top.glob(f"*{glob.escape(self.token)}*")
        yield from (p for p in self.temporary.iterdir() if not p.name.startswith(KEPT))


def _sources() -> Iterator[Path]:
    for top in ("solutions", "labs", "lib"):
        yield from (p for p in (ROOT / top).rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _below(folder: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in [*folders, *files])


def _hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """By path: the kind of file, and its content, target or, where it is very large, its size."""
    found = {}
    for path in paths:
        info = path.lstat()
        kind = stat.filemode(info.st_mode)
        if stat.S_ISLNK(info.st_mode):
            kind += os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            small = info.st_size < 50 * 2**20
            kind += hashlib.sha256(path.read_bytes()).hexdigest() if small else str(info.st_size)
        found[path] = kind
    return found


def _changes(what: str, before: dict[Path, str], after: dict[Path, str]) -> list[str]:
    changed = sorted(str(p) for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    return [f"{what} was changed: {', '.join(changed[:5])}"] if changed else []


def _was_reached(s: socket.socket) -> bool:
    try:
        if s.type == socket.SOCK_STREAM:
            s.accept()[0].close()
        else:
            s.recv(1)
        return True
    except BlockingIOError:
        return False


def _left_in_memory(key: int, token: str) -> Iterator[str]:
    """System V objects and abstract sockets, which no folder shows."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name, args in (("shmget", (ctypes.c_size_t(0), 0)), ("msgget", (0,)), ("semget", (0, 0))):
        if getattr(libc, name)(key, *args) != -1 or ctypes.get_errno() != errno.ENOENT:
            yield f"{name} finds what a submission has left"
    if f"@{token}-student" in Path("/proc/net/unix").read_text():
        yield "a submission's abstract socket is still there"


# ---- the class


def run(only: Iterable[str] | None = None, seconds: float = 1200.0) -> dict:
    """Hand the bank in (or the students named in `only`), grade it and look at what came of it.

    Returns {"hostile": [survived, total], "groups": …, "gained": points, "missed": [texts], "seconds": …}.
    Raises Refusal where submissions cannot be locked in: then the bank must not run.
    """
    sandbox.require()
    wanted = None if only is None else set(only)
    chosen = [c for c in cases() if wanted is None or c.student in wanted]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quintet-hostile-") as folder, _adopting(), Traps(Path(folder)) as traps:
        known = {p.pid for p in psutil.Process().children(recursive=True)}
        found = _graded(chosen, traps, seconds)
        left = _leftovers(known)
        result = _verdict(chosen, traps, found, [*found["problems"], *left, *traps.problems()])
        _unlock(Path(folder))
    return {**result, "seconds": round(time.monotonic() - start, 1), "peak_memory_mb": found["peak_memory_mb"]}


def _graded(chosen: list[Case], traps: Traps, seconds: float) -> dict:
    """Hand in and grade in a process of its own: {"records": …, "problems": […], "peak_memory_mb": …}."""
    order = {"names": [c.student for c in chosen], "words": traps.words()}
    (traps.folder / "order.json").write_text(json.dumps(order))
    log, out = traps.folder / "log", traps.folder / "result.json"
    environment = {**os.environ, "TMPDIR": str(traps.temporary), "QUINTET_HOSTILE": traps.secret}
    with open(log, "wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "quintet_grading.hostile", str(traps.folder)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=written, start_new_session=True,
        )  # fmt: skip
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):  # its exit code then says so
            process.stdout.readline()  # all is handed in
            traps.remember()
            process.communicate(b"go\n", timeout=seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if code == 0 and out.exists():
        return {**json.loads(out.read_text()), "problems": []}
    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
    return {"records": [], "peak_memory_mb": 0, "problems": [f"the batch was stopped (exit code {code}): {said[0]}"]}


def _main(folder: Path) -> None:
    """The grading process of `run`."""
    from nbgrader.apps.api import NbGraderAPI

    from quintet_grading import grade
    from quintet_grading.gradebook import config
    from quintet_grading.record import Journal

    order = json.loads((folder / "order.json").read_text())
    graded = Course(folder / "course")
    words = {**order["words"], "grader": str(os.getpid())}
    by_name = {c.student: c for c in cases()}
    patient = [s for s in [*order["names"], *neighbours()] if s not in by_name or by_name[s].group != "exhaustion"]
    (graded.folder / "course.toml").write_text(
        "[limits]\n"
        + "".join(f"{name} = {value}\n" for name, value in LIMITS.items())
        + "".join(f'[students."{student}"]\nextra_time = {EXTRA_TIME}\n' for student in patient)
    )
    api = NbGraderAPI(config=config(graded))
    with api.gradebook as gradebook:
        gradebook.add_student("canary", first_name="Not to be touched")
        gradebook.add_assignment("canary")
    for name in order["names"]:
        hand_in(by_name[name], graded.submitted_folder, name, words)
    for student, name in neighbours().items():
        path = graded.notebook(student, LAB)
        path.parent.mkdir(parents=True)
        path.write_text(_base(name), encoding="utf-8")
    print("handed in", flush=True)
    sys.stdin.readline()
    records = grade.grade(LAB, graded)
    reasons = {student: row["reason"] for student, row in Journal(graded.db_url).current(LAB).items()}
    for record in records:
        record.setdefault("reason", reasons.get(record["student"], ""))
        api.generate_feedback(LAB, record["student"], force=True)
    # not ru_maxrss, which is handed on over exec: what the process that started this one once had would count
    peak = int(re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) // 1024
    (folder / "result.json").write_text(json.dumps({"records": records, "peak_memory_mb": peak}))


def neighbours() -> dict[str, str]:
    """Honest students and their cases of the lab's bank, by name."""
    return {f"{place}-{name}": name for place in PLACES for name in HONEST}


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Orphans below this process become its children meanwhile, so that none can hide."""
    subreaper = 36  # PR_SET_CHILD_SUBREAPER
    ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0)
    try:
        yield
    finally:
        ctypes.CDLL(None).prctl(subreaper, 0, 0, 0, 0)


def _leftovers(known: set[int], patience: float = 10.0) -> list[str]:
    """Processes below this one that are not known and do not end by themselves; they are ended."""
    deadline = time.monotonic() + patience
    while left := [p for p in psutil.Process().children(recursive=True) if p.pid not in known and not _reaped(p)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    texts = []
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            texts.append(f"a process outlived grading: {' '.join(process.cmdline())[:80] or process.name()}")
            process.kill()
            process.wait(5)
    return texts


def _reaped(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
            return True
    except psutil.NoSuchProcess:
        return True
    return False


def _unlock(folder: Path) -> None:
    """Let the folder be removed, whatever a submission's files forbid."""
    for top, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(os.path.join(top, name)):
                    os.chmod(os.path.join(top, name), 0o700)


def show(found: dict, console: Console) -> None:
    table = Table("group", "survived", title="Hostile and faulty submissions")
    for group, (survived, total) in found["groups"].items():
        table.add_row(group, f"{survived} of {total}")
    table.add_row("all", "{} of {}".format(*found["hostile"]))
    console.print(table)
    console.print(f"Points gained: {found['gained']:g}. {found['seconds']:.0f} s.", highlight=False)
    for text in found["missed"]:
        console.print(f"  {text}", markup=False, highlight=False)


# ---- what came of it


def _verdict(chosen: list[Case], traps: Traps, found: dict, touched: list[str]) -> dict:
    """touched: what happened to the traps. Nobody can say whose doing it was: then no case of escape has survived."""
    records = {r["student"]: r for r in found["records"]}
    plain = _active(_page(traps.course, f"{PLACES[0]}-reference"))
    missed, survived = [], {g: 0 for g in GROUPS}
    gained = 0.0
    for case in chosen:
        record = records.get(case.student)
        wrong = list(_problems(case, record, traps, plain))
        gained += max((record["score"] or 0.0) - case.score, 0.0) if record else 0.0
        missed += [f"{case.group}/{case.name}: {text}" for text in wrong]
        survived[case.group] += not (wrong or case.group == "escape" and touched)
    honest = list(_honest_problems(records))
    groups = {g: [survived[g], sum(c.group == g for c in chosen)] for g in GROUPS}
    return {
        "hostile": [sum(survived.values()), len(chosen)],
        "groups": groups,
        "gained": gained,
        "missed": missed + [f"honest neighbours: {t}" for t in honest] + [f"traps: {t}" for t in touched],
    }


def _problems(case: Case, record: dict | None, traps: Traps, plain: set) -> Iterator[str]:
    """What is not as required in one case's record, notebook and page."""
    if record is None:
        yield "has no record"
        return
    if record["score"] is None or abs(record["score"] - case.score) > 1e-9:
        yield f"got {record['score']} points, not {case.score:g}"
    if record["state"] not in ((GRADED, LIMITED) if case.state == ANY else (case.state,)):
        yield f"is {record['state']}, not {case.state} ({record.get('reason', '')[:200]})"
    outputs = _outputs(traps.course, case.student)
    if not (page := _page(traps.course, case.student)):
        yield "has no feedback page"
    said = "\n".join([json.dumps(record, ensure_ascii=False), *outputs.values()])
    if "ESCAPED:" in said:
        yield "escaped: " + "; ".join(re.findall(r"ESCAPED: ([^\n\"]*)", said))[:400]
    if case.group == "escape" and case.state != ANY and "attempt(" in str(case.cells) and "denied:" not in said:
        yield "its attempts did not run"
    for text in (*case.never, traps.secret, traps.key.hex()):
        if text in said or text in (traps.secret, traps.key.hex()) and text in page:
            yield f"got {text[:40]!r} into what it is shown"
    yield from _harms(outputs, page, plain)
    if len(json.dumps(record)) > MAX_RECORD:
        yield "has a record of more than 60 kB"


def _harms(outputs: dict[str, str], page: str, plain: set) -> Iterator[str]:
    """outputs: texts by MIME kind; plain: what is active on an honest student's page."""
    for text in (*outputs.values(), page):
        if bad := {c for c in text if c not in "\n\t\r" and unicodedata.category(c) in ("Cc", "Cs") or c in BIDI}:
            yield f"control characters came through: {sorted(map(ascii, bad))[:6]}"
    for kind, text in outputs.items():
        if kind not in KINDS:
            yield f"an output of kind {kind} came through"
        elif kind != "text/plain" and (active := _active(text)):
            yield f"active content in an output: {sorted(active)[:3]}"[:300]
    if active := _active(page) - plain:
        yield f"active content on the page: {sorted(active)[:3]}"[:300]
    if sum(map(len, outputs.values())) > MAX_NOTEBOOK or len(page) > MAX_PAGE:
        yield f"outputs of {sum(map(len, outputs.values())):,} and a page of {len(page):,} characters came through"


BIDI = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _outputs(where: Course, student: str) -> dict[str, str]:
    """Texts of the autograded notebook's outputs by MIME kind; its whole source where it is no notebook."""
    path = where.path("autograded", student, LAB) / f"{LAB}.ipynb"
    found: dict[str, list[str]] = {"text/plain": []}
    if path.is_file() and not path.is_symlink():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                for kind, text in output.get("data", {}).items():
                    found.setdefault(kind, []).append(text if isinstance(text, str) else "".join(map(str, text)))
                for key in ("text", "ename", "evalue", "traceback"):
                    found["text/plain"].append("".join(output.get(key, "")))
    return {kind: "\n".join(texts) for kind, texts in found.items()}


def _page(where: Course, student: str) -> str:
    path = where.path("feedback", student, LAB) / f"{LAB}.html"
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""


class _Active(html.parser.HTMLParser):
    """Collects what a browser would run, load or be led away by."""

    TAGS = ("script", "style", "iframe", "object", "embed", "applet", "form", "base", "link", "frame", "meta")

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.TAGS and (tag != "meta" or any(k == "http-equiv" for k, _ in attrs)):
            self.found.add(f"<{tag} {attrs}>"[:200])
        self._inside = tag if tag in ("script", "style") else ""
        for key, value in attrs:
            told = re.sub(r"[\x00-\x20]", "", value or "").lower()
            outside = key == "src" and told.startswith(("http:", "https:", "//"))
            if key.startswith("on") or told.startswith(("javascript:", "vbscript:", "data:text/html")) or outside:
                self.found.add(f"{tag} {key}={value}"[:200])

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, text: str) -> None:
        if self._inside:
            self.found.add(f"{self._inside}: {hashlib.sha256(text.encode(errors='replace')).hexdigest()} {text[:60]}")


def _active(text: str) -> set[str]:
    parser = _Active()
    parser.feed(text)
    parser.close()
    return parser.found


def _honest_problems(records: dict[str, dict]) -> Iterator[str]:
    for student, name in neighbours().items():
        record, first = records.get(student), records.get(f"{PLACES[0]}-{name}")
        if record is None:
            yield f"{student} has no record"
        elif (record["state"], record["score"]) != (GRADED, HONEST[name]):
            yield f"{student} is {record['state']} with {record['score']} points, not {HONEST[name]}"
        elif record["checks"] != first["checks"]:
            yield f"{student} was told something else than {first['student']}"


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
