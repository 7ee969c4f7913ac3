"""Run a notebook and judge it: the one narrow place where student code meets the grader.

    judge(notebook, seeds, nursery, limits) -> Verdict

Processes: this one is trusted; it holds the checks, the seeds and the gradebook and never imports student code. The
`Nursery` (quintet.student.serve) has imported the lab's libraries and forks a child for each submission; cells run
there, one at a time, in order. Where a cell calls `check("topic/step")` the child does not run it: the check runs here,
against the child's names through frames, and this process writes the cell's outputs. Every wait has a limit on this
side's clock; a child that runs over it, dies or answers nonsense is killed, keeps the points it has, and gets 0 with
the reason for the rest.
"""

import ast
import contextlib
import hashlib
import hmac
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
import torch
from nbformat import NotebookNode

from quintet import checks
from quintet.checks import report
from quintet.student import Died, Student, StudentError, TimedOut, wire
from quintet.student.serve import ANSWER, CALLBACK
from quintet_grading import GradingFault

Seeds = Callable[[str], np.random.Generator]  # check id -> its generator


@dataclass(frozen=True)
class Limits:
    cell_seconds: float = 60.0
    check_seconds: float = 60.0
    start_seconds: float = 120.0
    memory_bytes: int = 8 * 2**30  # of private data, per child
    output_chars: int = 100_000  # per cell


@dataclass
class Verdict:
    """A judged notebook. `reason` is empty, or says which limit the student's code met (state "limited")."""

    notebook: NotebookNode
    results: list[checks.Result] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return sum(r.points for r in self.results)

    @property
    def max(self) -> float:
        return sum(r.max for r in self.results)


def secret_seeds(key: bytes, lab: str) -> Seeds:
    """Generators that only the holder of the course's key can foresee; the same for every student of a lab, so that
    equal work gets
    equal grades and a rerun repeats them."""

    def seeds(id: str) -> np.random.Generator:
        digest = hmac.new(key, f"{lab}\0{id}".encode(), hashlib.sha256).digest()
        return np.random.default_rng(int.from_bytes(digest))

    return seeds


def check_id(cell: NotebookNode) -> str | None:
    """The id in a cell's `check("…")`, or None. Read from the source that nbgrader has restored, never evaluated."""
    if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("grade"):
        return None
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse(cell.source)):
            match node:
                case ast.Call(func=ast.Name("check"), args=[ast.Constant(str(id))]):
                    return id
    return None


def modules(notebook: NotebookNode) -> list[str]:
    """What the notebook imports: the nursery imports it beforehand. Read from the course's own source, not from a
    submission."""
    found = {"torch"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                match node:
                    case ast.Import(names):
                        found.update(a.name for a in names)
                    case ast.ImportFrom(module="quintet", names=names):
                        found.update(f"quintet.{a.name}" for a in names if a.name not in ("check", "progress"))
                    case ast.ImportFrom(module=str(name)):
                        found.add(name)
    return sorted(found)


class Nursery:
    """The process that forks a child for each submission. Use as a context manager; starts on first use."""

    def __init__(self, preload: list[str], limits: Limits = Limits()):
        self.preload, self.limits = preload, limits
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._control.close()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        keep = {
            k: v
            for k, v in os.environ.items()
            if k in ("PATH", "HOME", "LANG", "QUINTET_CACHE", "XDG_CACHE_HOME", "TMPDIR")
        }
        plots = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quintet.student.serve",
                str(theirs.fileno()),
                str(self.limits.memory_bytes),
                *self.preload,
            ],
            pass_fds=[theirs.fileno()],
            env={**keep, **threads, **plots},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self._control = ours
        self._control.settimeout(self.limits.start_seconds)
        if self._control.recv(8) != b"ready   ":
            said = self._process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            raise GradingFault(f"the process that runs submissions did not start: {' '.join(said) or 'no message'}")

    def child(self, limits: Limits | None = None) -> "Child":
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                if self._process is None:
                    self._start()
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
                pid = int.from_bytes(self._control.recv(8))
        except OSError as error:
            raise GradingFault(f"the process that runs submissions ended: {error}") from error
        finally:
            theirs.close()
        if not pid:
            raise GradingFault("the process that runs submissions ended")
        return Child(ours, pid, limits or self.limits)


class Child:
    """One submission's process. `student` is what checks see of it."""

    def __init__(self, sock: socket.socket, pid: int, limits: Limits):
        self.sock, self.pid, self.limits = sock, pid, limits
        self.until = math.inf  # no answer is waited for beyond this time of the monotonic clock
        self.student = Student(self._exchange, limits.check_seconds)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def run(self, source: str) -> list:
        with self.student.within(self.limits.cell_seconds):
            return self.student._ask("run", source)

    def _exchange(self, frame: bytes, seconds: float | None) -> bytes:
        seconds = seconds or self.limits.check_seconds
        deadline = min(time.monotonic() + seconds, self.until)

        def read(n: int) -> bytes:
            data = bytearray()
            while len(data) < n:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self.sock.settimeout(left)
                part = self.sock.recv(min(n - len(data), 1 << 20))
                if not part:
                    raise EOFError
                data += part
            return bytes(data)

        def send(kind: bytes, frame: bytes) -> None:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            self.sock.sendall(kind + frame)

        try:
            send(ANSWER, frame)
            while True:
                kind, reply = read(1), wire.read_frame(read)
                if kind == ANSWER:
                    return reply
                send(CALLBACK, self.student.answer(reply))
        except TimeoutError:
            self.__exit__()
            raise TimedOut("TimedOut", f"no answer within {seconds:g} s") from None
        except (EOFError, OSError, wire.WireError) as error:
            self.__exit__()
            raise Died("Died", "the process ended (out of memory, os._exit, or a crash in compiled code)") from error


def judge(
    notebook: NotebookNode, seeds: Seeds, nursery: Nursery, limits: Limits | None = None, scale: str = "grade"
) -> Verdict:
    """Run `notebook` in a fresh child and judge its checks; returns it with every code cell's outputs written by this
    process.

    notebook: sanitised by nbgrader (locked cells restored). Raises GradingFault for what is not the student's doing.
    """
    torch.set_num_threads(1)  # a check's own arithmetic is small, and the child needs the other cores
    limits = limits or nursery.limits
    verdict = Verdict(notebook)
    start = time.monotonic()
    count = 0
    with tempfile.TemporaryDirectory(prefix="quintet-") as folder, nursery.child(limits) as child:
        child.student._ask("run", f"import os; os.chdir({folder!r})")
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            count += 1
            cell.outputs, cell.execution_count = [], count
            id = check_id(cell)
            if id is not None:
                result = _judge_check(id, child, seeds, verdict)
                verdict.results.append(result)
                cell.outputs = _report(result, count)
            elif not verdict.reason:
                try:
                    cell.outputs = _outputs(child.run(cell.source), count, limits)
                    if "parameters" in cell.metadata.get("tags", []) or cell.get("id") == "parameters":
                        child.run(f"SCALE = {scale!r}")
                except StudentError as error:  # it hung, died, or answered with what is no list of outputs
                    child.__exit__()
                    verdict.reason = f"cell {count}: {error.text}"
                    cell.outputs = [
                        nbformat.v4.new_output("error", ename=error.kind, evalue=error.text, traceback=[verdict.reason])
                    ]
    verdict.seconds = time.monotonic() - start
    return verdict


def _judge_check(id: str, child: Child, seeds: Seeds, verdict: Verdict) -> checks.Result:
    try:
        found = checks.find(id)
        if verdict.reason:
            message = f"Not run: the notebook was stopped before ({verdict.reason})."
            return checks.Result(
                id, found.points, [checks.Case("the whole step", found.points, False, checks.Finding(None, message))]
            )
        child.until = time.monotonic() + child.limits.check_seconds  # for all calls of the check together
        result = checks.run(id, child.student, seeds(id))
        child.until = math.inf
    except Exception as error:  # noqa: BLE001 a check that fails by itself is our fault, whatever it raised
        raise GradingFault(f"{id}: {type(error).__name__}: {error}") from error
    if child.sock.fileno() < 0:
        verdict.reason = f"the process ended or ran over its time while {id} was checked"
    return result


def _report(result: checks.Result, count: int) -> list[NotebookNode]:
    known = checks.find(result.id).misconceptions()
    data = {"text/plain": report.text(result, known), "text/html": report.as_html(result, known)}
    shown = nbformat.v4.new_output("display_data", data=data, metadata={"quintet": record(result)})
    points = nbformat.v4.new_output(
        "execute_result", data={"text/plain": repr(float(result.points))}, execution_count=count
    )
    return [shown, points]


def record(result: checks.Result) -> dict:
    """A result as the grade's JSON has it."""
    findings = [
        {"misconception": f.misconception, "message": report.clean(f.message)[: report.MAX_MESSAGE]}
        for f in result.findings
    ]
    return {"id": result.id, "points": result.points, "max": result.max, "findings": findings}


KINDS = {"text/plain", "text/html", "image/png", "text/markdown", "text/latex"}


def _outputs(claimed: list, count: int, limits: Limits) -> list[NotebookNode]:
    """A child's outputs, taken as claims: only nbformat's shapes, known kinds and so many characters pass."""
    outputs, left = [], limits.output_chars
    for o in claimed if isinstance(claimed, list) else []:
        match o:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                outputs.append(nbformat.v4.new_output("stream", name=name, text=report.clean(text[:left])))
                left -= len(text)
            case {"output_type": "display_data", "data": dict(data)}:
                kept = {
                    k: report.clean(v)
                    for k, v in data.items()
                    if k in KINDS and isinstance(v, str) and len(v) <= 10 * limits.output_chars
                }
                outputs.append(nbformat.v4.new_output("display_data", data=kept))
            case {"output_type": "error", "ename": str(ename), "evalue": str(evalue), "traceback": [str(trace)]}:
                ename, evalue, text = map(report.clean, (ename[:200], evalue[:2000], trace[: max(left, 0)]))
                outputs.append(nbformat.v4.new_output("error", ename=ename, evalue=evalue, traceback=[text]))
                left -= len(trace)
        if left <= 0:
            outputs.append(nbformat.v4.new_output("stream", name="stdout", text="… (the rest was cut)"))
            break
    return outputs


def read(path: Path, cap: int = 20 * 2**20) -> NotebookNode:
    """A notebook from a file. Raises ValueError, in one sentence, for anything that is not a readable notebook of
    format 4."""
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} is missing or not an ordinary file")
    if path.stat().st_size > cap:
        raise ValueError(f"{path.name} has {path.stat().st_size / 2**20:.0f} MiB, a lab may have {cap / 2**20:.0f}")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # noqa: BLE001 nbformat raises many kinds for a bad file, jsonschema's among them
        raise ValueError(f"{path.name} is not a readable notebook: {str(error).splitlines()[0][:200]}") from None
    return notebook
