"""One host's judging: what a worker of the farm asks, from as many threads as it has slots.

Theory of operation. For a lab a `Station` starts two processes beside this one: the nursery, inside the sandbox, which
imports the lab's libraries; and the judges' parent (judge.py), which imports the checks. Both take seconds and do so
side by side; after that a judge and a submission's process are forks of theirs, some milliseconds each. This process
imports neither. A thread that wants a job judged takes an idle judge, or has one forked, writes the job to its socket
and waits, with a clock of its own beyond the judge's: a judge that is late is killed. Before the first job the
reference solution is judged: a host on which it fails grades nothing.

Whatever goes wrong here is a GradingFault, ours; the station then starts anew with the next job. Who ends whom: the end
of this process closes the sockets, at which both parents end, and their children with them.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

from quintet_grading import CannotGrade, GradingFault
from quintet_grading.job import Job, Limits, Outcome, receive, send
from quintet_grading.nursery import Nursery, ask_for_fork, greet, needs_gpu, preload

OVERHEAD_SECONDS = 60.0  # that a judge may be late on a machine that has much to do


def judge(job: Job) -> Outcome:
    """Judge on this host's station for the job's lab. Raises GradingFault for what is not the student's doing."""
    with _used(job.lab, job.sandboxed) as station:
        return station.judge(job)


def prepare(lab: str, sandboxed: bool = True) -> None:
    """Start the lab's station without waiting for it."""
    with _used(lab, sandboxed) as station:
        station.prepare()


_lock = threading.Lock()
_stations: dict[tuple[str, bool], "Station"] = {}


@contextlib.contextmanager
def _used(lab: str, sandboxed: bool) -> Iterator["Station"]:
    """The station for a lab. Labs are graded one after the other, so that one that nobody uses any more makes room."""
    key = (lab, sandboxed)
    with _lock:
        for other in [k for k, s in _stations.items() if k != key and s.users == 0]:
            _stations.pop(other).close()
        if key not in _stations:
            _stations[key] = Station(lab, sandboxed, fresh=needs_gpu(lab))
        station = _stations[key]
        station.users += 1
    try:
        yield station
    finally:
        with _lock:
            station.users -= 1


@atexit.register
def close() -> None:
    """End all stations of this process."""
    with _lock:
        for station in _stations.values():
            station.close()
        _stations.clear()


class Station:
    """A lab's nursery and judges on this host; starts on first use. Safe to use from several threads."""

    def __init__(self, lab: str, sandboxed: bool = True, fresh: bool = False, limits: Limits | None = None):
        self.lab, self.sandboxed, self.fresh, self.limits = lab, sandboxed, fresh, limits or Limits()
        self._starting = threading.Lock()
        self._nursery: Nursery | None = None
        self._parent: subprocess.Popen | None = None
        self._idle: list[Judge] = []
        self._ready = False
        self.users = 0  # threads in it

    def prepare(self) -> None:
        with self._starting:
            if self._parent is None:
                self._start()

    def _start(self) -> None:
        """Start both processes without waiting for them."""
        modules = preload(self.lab)
        self._nursery = Nursery(modules, self.limits, self.sandboxed)
        self._nursery.start()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {"lab": self.lab, "sandboxed": self.sandboxed, "fresh": self.fresh, "preload": modules}
        fds = [theirs.fileno(), self._nursery.control.fileno()]
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "quintet_grading.judge", *map(str, fds), json.dumps(settings)],
            pass_fds=fds,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is for the command, which ends this in good order
        )
        theirs.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        if self._parent is not None:
            self._control.close()
            self._parent.kill()
            self._parent.wait()
            self._parent.stderr.close()
            self._nursery.__exit__()
            self._parent = self._nursery = None
        self._ready = False

    def judge(self, job: Job) -> Outcome:
        with self._starting:
            if self._parent is not None and (self._parent.poll() is not None or self._nursery.poll() is not None):
                self.close()
            if self._parent is None or not self._ready:
                self._get_ready(job)
        judge = self._idle.pop() if self._idle else self._fork()
        with judge.released_into(self._idle):
            return Outcome.from_dict(judge.ask(job, job.limits.total_seconds)["outcome"])

    def _get_ready(self, job: Job) -> None:
        self._ready = False
        if self._parent is None:
            self._start()
        try:
            self._nursery.ready()
            self._control.settimeout(self.limits.start_seconds)
            with contextlib.suppress(OSError):
                if self._control.recv(8):
                    self._control.settimeout(None)
                    judge = self._fork()
                    with judge.released_into(self._idle):
                        judge.ask(replace(job, student="", notebook=""), self.limits.total_seconds, reference=True)
                    self._ready = True
                    return
            self._parent.kill()
            said = self._parent.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            raise GradingFault(f"the process that judges did not start: {' '.join(said) or 'no message'}")
        except GradingFault as fault:
            self.close()
            raise CannotGrade(str(fault)) from fault

    def _fork(self) -> "Judge":
        return Judge(ask_for_fork(self._control))


class Judge:
    """One judge process, asked one thing at a time."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.pidfd = greet(sock)[1]

    def ask(self, job: Job, seconds: float, reference: bool = False) -> dict:
        """Its answer. Raises GradingFault with what it says, or where it is late or dead; then it is ended."""
        self.sock.settimeout(seconds + OVERHEAD_SECONDS)
        try:
            send(self.sock, {"job": job.as_dict(), "reference": reference})
            answer = receive(self.sock)
        except TimeoutError:
            self.close()
            raise GradingFault(f"the judge did not answer within {seconds + OVERHEAD_SECONDS:g} s") from None
        except (OSError, EOFError) as error:
            self.close()
            raise GradingFault("the judge's process ended") from error
        if "fault" in answer:
            raise GradingFault(answer["fault"])
        return answer

    @contextlib.contextmanager
    def released_into(self, idle: list["Judge"]):
        try:
            yield
        finally:
            if self.pidfd:
                idle.append(self)

    def close(self) -> None:
        self.sock.close()
        if self.pidfd:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.close(self.pidfd)
            self.pidfd = 0
