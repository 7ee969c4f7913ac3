"""The grader's end of the processes that student code runs in.

A `Nursery` is the process that has imported the lab's libraries (quintet.student.serve, inside the sandbox); it forks a
`Child` for each submission. Both are untrusted: every wait has a limit on this side's clock, every answer is a claim,
and a child that runs over a limit, dies or answers nonsense is killed with all that it started.
"""

import ast
import atexit
import contextlib
import functools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from quintet.student import Died, Student, TimedOut, wire
from quintet.student.serve import ANSWER, CALLBACK, FAILED, READY, SOCKETS
from quintet_grading import GradingFault, sandbox
from quintet_grading.course import solution
from quintet_grading.job import Limits

START_SECONDS = 60.0  # for a child to be forked and locked in, on a machine that has much to do
MAX_CHECK_BYTES = 2 * 2**30  # that a submission may send while one check asks it


class Nursery:
    """The process that forks a child for each submission. Use as a context manager; starts on first use.

    preload: modules to import beforehand. sandboxed: lock it and its children in; only for code that is trusted may it
    be False. fresh: a new nursery for each child, for labs that use a GPU, whose libraries do not survive a fork.
    """

    def __init__(self, preload: list[str], limits: Limits | None = None, sandboxed: bool = True, fresh: bool = False):
        self.preload, self.limits, self.sandboxed, self.fresh = preload, limits or Limits(), sandboxed, fresh
        self.control: socket.socket | None = None
        self._process: subprocess.Popen | None = None
        self._lock = threading.Lock()

    @classmethod
    def attached(cls, control: socket.socket, **settings) -> "Nursery":
        """One that another process has started: `control` is its socket."""
        made = cls([], **settings)
        made.control = control
        return made

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.control.close()
            self._process.kill()
            self._process.wait()
            self._process.stderr.close()
            self._process = self.control = None
            sandbox.Group.sweep(5.0)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """None while the process lives, or was never started here."""
        return self._process and self._process.poll()

    def start(self) -> None:
        """Start the process without waiting for it: `ready` does that."""
        if self.sandboxed:
            sandbox.require()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        jail = vars(sandbox.jail(self.limits)) if self.sandboxed else None
        settings = {"modules": self.preload, "jail": jail and {**jail, "seccomp": jail["seccomp"].hex()}}
        argv = [sys.executable, "-m", "quintet.student.serve", str(theirs.fileno()), json.dumps(settings)]
        self._process = _start(
            sandbox.command(argv, gpu=self.fresh) if self.sandboxed else argv,
            pass_fds=[theirs.fileno()],
            env={**_passed_on(), **sandbox.environment(tempfile.gettempdir())} if not self.sandboxed else {},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is for the command, which ends this in good order
        )
        theirs.close()
        self.control = ours

    def ready(self) -> None:
        """Wait until the libraries are imported. Raises GradingFault with what went wrong."""
        self.control.settimeout(self.limits.start_seconds)
        try:
            said = self.control.recv(8)
        except OSError:
            said = b""
        self.control.settimeout(None)
        if said != READY:
            self._process.kill()
            said = self._process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            self.__exit__()
            raise GradingFault(f"the process that runs submissions did not start: {' '.join(said) or 'no message'}")

    def child(self, limits: Limits | None = None) -> "Child":
        """A new child, locked in and counted. Raises GradingFault where that fails."""
        with self._lock:
            if self._process is not None and (self.fresh or self.poll() is not None):
                self.__exit__()
            if self.control is None:
                self.start()
                self.ready()
        limits = limits or self.limits
        return Child(ask_for_fork(self.control), limits, self.sandboxed, functools.partial(self._another, limits))

    @contextlib.contextmanager
    def _another(self, limits: Limits) -> Iterator["Child"]:
        """A child beside one that lives."""
        apart = Nursery(self.preload, self.limits, self.sandboxed, fresh=True) if self.fresh else None
        with apart or contextlib.nullcontext(), (apart or self).child(limits) as child:
            yield child


def _start(*args, **options) -> subprocess.Popen:
    """A process whose parent is a thread that lasts: what is to die with its parent (bubblewrap's --die-with-parent)
    dies, on Linux, with the *thread* that started it."""
    return _starter().submit(subprocess.Popen, *args, **options).result()


@functools.cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "quintet-start")


def _passed_on() -> dict[str, str]:
    """What an unlocked nursery keeps of this process's environment."""
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    return {k: v for k, v in os.environ.items() if k in names}


def ask_for_fork(control: socket.socket) -> socket.socket:
    """Our end of the socket to a new child of the process at the other end of `control`. Raises GradingFault."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # before it speaks: the kernel tells us who does
    with theirs:
        try:
            socket.send_fds(control, [b"f"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise GradingFault(f"a process that others are forked from has ended: {error}") from error
    return ours


def greet(sock: socket.socket) -> tuple[int, int]:
    """Wait until the process at the other end says that it is ready; its id and a descriptor of it (a pidfd).

    sock: as `ask_for_fork` made it. Raises GradingFault.
    """
    try:
        (_, _, credentials), *_ = _await_ready(sock)
        pid = int.from_bytes(credentials[:4], sys.byteorder)
        return pid, os.pidfd_open(pid)
    except OSError as error:
        sock.close()
        raise GradingFault(f"a process was forked and ended at once: {error}") from error


def _await_ready(sock: socket.socket) -> list:
    """What the kernel says of the process at the other end, once that has said that it is ready. Raises
    GradingFault."""
    sock.settimeout(START_SECONDS)
    try:
        said, extra, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(12))
        if said == READY:
            return extra
        why = sock.recv(500).decode(errors="replace") if said == FAILED else "it ended at once"
    except OSError as error:
        why = f"it did not answer: {error}"
    sock.close()
    raise GradingFault(f"a process could not be started and locked in: {why}")


class Child:
    """One submission's process. `student` is what checks see of it. another: starts one like it."""

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        sandboxed: bool,
        another: Callable[[], AbstractContextManager["Child"]],
    ):
        self.sock, self.limits, self.sandboxed, self._another = sock, limits, sandboxed, another
        self.pid = self.pidfd = 0
        self.group = sandbox.Group([])
        self.until = math.inf  # no answer is waited for beyond this time of the monotonic clock
        self.left = MAX_CHECK_BYTES
        self.student = Student(self._exchange, limits.check_seconds, lend=self._lend, afresh=self._afresh)
        self.ran: list[str] = []  # the cells so far
        self._arrived = b""  # and not yet read
        try:
            self._let_go()
        except BaseException:
            self.__exit__()
            raise
        self.end = time.monotonic() + limits.total_seconds

    def _let_go(self) -> None:
        self.pid, self.pidfd = greet(self.sock)
        self.group = sandbox.Group.new(self.limits)
        self.group.add(self.pid)  # the kernel takes 10 ms for it, in which the child locks itself in
        _await_ready(self.sock)
        self.sock.sendall(READY)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        if self.pidfd:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self.sandboxed:  # process 1 of its namespace takes all others with it
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                else:
                    os.killpg(self.pid, signal.SIGKILL)
            os.close(self.pidfd)
            self.pidfd = 0
        self.group.close()

    def _lend(self, fds: list[int]) -> None:
        """Give the child ends of sockets, one for each rank of a fabric."""
        socket.send_fds(self.sock, [SOCKETS], fds)

    def run(self, source: str) -> list:
        self.ran.append(source)
        with self.student.within(self.limits.cell_seconds):
            return self.student._ask("run", source)

    @contextlib.contextmanager
    def _afresh(self) -> Iterator[Student]:
        with self._another() as other:
            other.end = self.end
            for source in self.ran:
                other.run(source)
            with other.checking():
                yield other.student

    @contextlib.contextmanager
    def checking(self) -> Iterator[None]:
        """All that one check asks shares one time limit and one allowance of bytes."""
        self.until, self.left = time.monotonic() + self.limits.check_seconds, MAX_CHECK_BYTES
        try:
            yield
        finally:
            self.until, self.left = math.inf, MAX_CHECK_BYTES

    def _exchange(self, frame: bytes, seconds: float | None) -> bytes:
        seconds = seconds or self.limits.check_seconds
        deadline = min(time.monotonic() + seconds, self.until, self.end)
        self.student._until = min(self.student._until or math.inf, deadline)  # a fabric has a clock of its own

        def read(n: int) -> bytes:
            self.left -= n + 64  # each message costs something, so that their number is bounded too
            if self.left < 0:
                raise wire.WireError("more was sent than a check may take")
            parts = [self._arrived]
            missing = n - len(self._arrived)
            while missing > 0:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self.sock.settimeout(left)
                parts.append(self.sock.recv(min(max(missing, 1 << 14), 1 << 20)))
                if not parts[-1]:
                    raise EOFError
                missing -= len(parts[-1])
            data = b"".join(parts)
            self._arrived = data[n:]
            return data[:n]

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
            used_up = time.monotonic() >= self.end
            self.__exit__()
            most = self.limits.total_seconds if used_up else seconds
            raise TimedOut("TimedOut", f"no answer within {most:g} s{' for the whole notebook' * used_up}") from None
        except (EOFError, OSError, wire.WireError) as error:
            why = self._why_it_ended(error)
            self.__exit__()
            raise Died("Died", why) from error

    def _why_it_ended(self, error: Exception) -> str:
        if self.group.killed_for_memory():
            return f"the process used more than the {self.limits.memory_bytes / 2**30:g} GiB of memory that it may"
        if isinstance(error, wire.WireError):
            return "the process sent what is no answer, or more than it may"
        return "the process ended (out of memory, os._exit, or a crash in compiled code)"


# ---- of a lab


def needs_gpu(lab: str) -> bool:
    """Whether the lab says that it needs one, in the metadata of its solution: {"quintet": {"gpu": true}}."""
    return _notebook(lab)["metadata"].get("quintet", {}).get("gpu") is True


def preload(lab: str) -> list[str]:
    """What a lab imports: the nursery does so beforehand. Read from the course's notebook, not from a submission."""
    found = {"torch"}
    for cell in _notebook(lab)["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                match node:
                    case ast.Import(names):
                        found.update(a.name for a in names)
                    case ast.ImportFrom(module="quintet", names=names):
                        found.update(f"quintet.{a.name}" for a in names if a.name not in ("check", "progress"))
                    case ast.ImportFrom(module=str(name)):
                        found.add(name)
    return sorted(found)


def _notebook(lab: str) -> dict:
    return json.loads(solution(lab).read_text(encoding="utf-8"))


@functools.cache
def of_lab(lab: str) -> Nursery:
    """The lab's nursery in this process, for submissions that are ours; locked in where that is possible."""
    made = Nursery(preload(lab), sandboxed=not sandbox.why_not())
    atexit.register(made.__exit__)
    return made
