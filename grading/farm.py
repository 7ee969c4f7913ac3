"""Farm: many jobs over Dask, each to whoever judges it, and what came of it back as it comes.

    run(jobs, judge, scheduler=…) -> (job, outcome), (job, outcome), …

Theory of operation. This process takes jobs from the caller one by one, keeps a few per slot in flight, and hands each
outcome to the caller, who is the one writer. By default scheduler and worker live in threads of this process and
listen nowhere (`inproc://`; the status page that Dask insists on is empty and on loopback). With an address they are
processes elsewhere. A task only supervises: `judge` blocks on a pipe while sandboxed processes of its own do the work,
so student code never runs in a worker, and a student's crash is an ordinary outcome.

Trust: client, scheduler and workers trust one another completely, since Dask's own protocol unpickles what a peer
sends; hence TLS with certificates of the course's own between machines, and no route from a sandbox to any of them.
Nothing of a student's is ever unpickled: Job and Outcome are our dataclasses and carry a notebook as one string. An
outcome belongs to the job whose future brought it, whatever it says, and its types and sizes are checked here before
the caller sees it.

Faults are infrastructure's only: `GradingFault` from `judge`, a lost worker, a lost scheduler. Each is one strike;
after STRIKES the job comes out as `ungraded`. When a worker dies, Dask blames all tasks that it held; those that it
gives up are suspects, and suspects fly one at a time, so that whatever kills workers meets nobody else three times.

Who ends whom: this process ends its embedded cluster and cancels its tasks elsewhere. It never ends a worker of
others. The first Ctrl-C stops submitting and hands over what has arrived, the second interrupts at once. A judge's
processes are its own affair: they must end with the process that started them.
"""

import asyncio
import collections
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import ipaddress
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from rich import progress as bar
from rich.console import Console

from quintet_grading import CannotGrade, GradingFault, Refusal
from quintet_grading.job import GRADED, LIMITED, UNGRADED, Job, Outcome

if TYPE_CHECKING:  # 0.4 s, which only those who grade should wait for
    from distributed import Client, Future, Security

STRIKES = 3  # faults of ours until a job is given up
PER_SLOT = 2  # in flight: one runs, one waits beside it
LEAST = 4  # slots are assumed while none is known, so that a cluster that grows by demand sees some
AHEAD = 500  # jobs taken from the caller and held back, because their kind of slot is full and the other's is not
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 2.0  # between two looks at the scheduler's slots
MAX_NOTEBOOK, MAX_REASON, MAX_CHECKS = 64 * 2**20, 4000, 200
GPU_REMEDY = "start one with `dask worker ADDRESS --resources GPU=1`"

KNOBS = {
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS} s",
    "distributed.comm.timeouts.tcp": "15 s",  # a cut cable is noticed
    "distributed.admin.large-graph-warning-threshold": "1 GiB",
    "distributed.client.heartbeat": "5 s",
}
EMBEDDED_KNOBS = {  # one worker in this process: nothing to balance, measure, spill or show
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": math.inf,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "10 s",
    "distributed.admin.system-monitor.interval": "10 s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
}


class Stopped(Refusal):
    """Ctrl-C. What had arrived was handed over; the message says how to go on."""

    exit_code = 130  # as a shell reports an interrupted command


class Watcher(Protocol):
    """Who is told how it goes, such as `Progress`."""

    def done(self, job: Job, outcome: Outcome) -> None: ...

    def note(self, text: str) -> None: ...


def run(
    jobs: Iterable[Job],
    judge: Callable[[Job], Outcome],
    *,
    scheduler: str | None = None,
    workers: int = 2,
    gpus: int = 0,
    security: "Security | None" = None,
    needs_gpu: Callable[[Job], bool] | None = None,
    total: int | None = None,
    progress: Watcher | None = None,
    log: Path | None = None,
    patience_seconds: float = 300.0,
) -> Iterator[tuple[Job, Outcome]]:
    """Judge `jobs` and yield each with its outcome as it completes, in any order; a job given twice comes once.

    judge: a module's function, so that it can be pickled by name; called in a worker's thread. scheduler: an address
    (`tcp://`, `tls://`, `gateway:NAME`); None: an embedded cluster with `workers` and `gpus` slots. security: None
    takes `tls()`. needs_gpu: whether a job takes a GPU slot. log: Dask's messages go there.
    patience_seconds: how long a lost scheduler, or a kind of slot that nobody offers, is waited for.

    Raises Refusal for an address that does not answer or workers of another version, GradingFault when scheduler or
    workers are gone for good, Stopped on Ctrl-C. What was yielded before stays true.
    """
    import dask.config

    _silence(log)
    knobs = KNOBS if scheduler else {**KNOBS, **EMBEDDED_KNOBS}
    with dask.config.set(knobs), contextlib.ExitStack() as stack:
        link = stack.enter_context(_Link(scheduler, workers, gpus, security))
        flight = _Flight(link, jobs, judge, needs_gpu, progress, patience_seconds if scheduler else 0.0)
        stack.callback(flight.cancel)
        stack.enter_context(_interrupts(flight))
        yield from flight.outcomes(total)


# ---- in the worker


def _supervise(judge: Callable[[Job], Outcome], job: Job, expected: dict | None) -> Outcome | str:
    """The task: an outcome, or what went wrong on our side. Raises Refusal where another version is installed, and
    CannotGrade in the embedded cluster, where no other worker could do better."""
    if expected is not None and (differs := _differences(expected, version())):
        raise Refusal(f"a worker runs another version ({differs}): update it and start it again")
    try:
        return judge(job)
    except CannotGrade as error:
        if expected is None:
            raise
        return str(error)
    except (Exception, SystemExit) as error:  # whatever it is, it is not the student's: `judge` says so by returning
        return str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"


@functools.cache
def version() -> dict[str, str]:
    """What must be the same here and in the workers: interpreter, libraries, our own code."""
    digest = hashlib.sha256()
    for package in ("quintet", "quintet_grading"):
        folder = Path(importlib.util.find_spec(package).submodule_search_locations[0])
        for path in sorted(p for p in folder.rglob("*.py") if p.relative_to(folder).parts[0] != "bank"):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    libraries = {name: importlib.metadata.version(name) for name in ("distributed", "numpy", "torch")}
    return {"quintet": digest.hexdigest()[:12], "python": "{}.{}.{}".format(*sys.version_info[:3]), **libraries}


def _differences(ours: dict, theirs: dict) -> str:
    return ", ".join(f"{k} {theirs.get(k)} there, {ours[k]} here" for k in ours if ours[k] != theirs.get(k))


# ---- the connection


def certificates() -> tuple[str, str, str] | None:
    """The files that QUINTET_TLS_CA, QUINTET_TLS_CERT and QUINTET_TLS_KEY name; None where none is set. Raises Refusal
    when some are missing."""
    names = ("QUINTET_TLS_CA", "QUINTET_TLS_CERT", "QUINTET_TLS_KEY")
    paths = [os.environ.get(name, "") for name in names]
    if not any(paths):
        return None
    for name, path in zip(names, paths, strict=True):
        if not os.access(path, os.R_OK):
            raise Refusal(f"{name} is {path or 'not set'}: set {', '.join(names)} to files that you can read")
    return tuple(paths)


def tls() -> "Security | None":
    """The course's certificates for Dask. None where none is set, so that Dask's own configuration counts."""
    from distributed import Security

    if (paths := certificates()) is None:
        return None
    ca, cert, key = paths
    return Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)


def _address(scheduler: str, security: "Security | None") -> tuple[str, "Security"]:
    """The address to connect to and how. Plain TCP leaves the machine only where somebody asked for it."""
    from distributed import Security

    if scheduler.startswith("gateway:") and not scheduler.startswith("gateway://"):
        return _gateway(scheduler.removeprefix("gateway:"))
    address = scheduler if "://" in scheduler else f"tcp://{scheduler}"
    url = urlsplit(address)
    if url.scheme not in ("tcp", "tls", "gateway"):
        raise Refusal(f"{scheduler!r} is no scheduler's address: give tcp://HOST:PORT, tls://HOST:PORT or gateway:NAME")
    if url.scheme == "tcp" and not _is_loopback(url.hostname) and os.environ.get("QUINTET_PLAIN_TCP") != "1":
        raise Refusal(
            f"{address} is neither encrypted nor on this machine, and whoever reaches such a scheduler commands it: "
            "start it with certificates (tls://), or set QUINTET_PLAIN_TCP=1 on a network that only you can reach"
        )
    return address, security or tls() or Security()


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _gateway(name: str) -> tuple[str, Any]:
    """A running cluster of dask-gateway. Where the gateway is and as whom: Dask's configuration (gateway.yaml)."""
    try:
        from dask_gateway import Gateway
    except ImportError:
        raise Refusal("gateway: addresses need dask-gateway: install quintet with the extra `hub`") from None
    try:
        with Gateway() as gateway:
            cluster = gateway.get_cluster(name)
    except Exception as error:  # noqa: BLE001 its client raises aiohttp's errors, ValueError and its own
        raise Refusal(f"dask-gateway gave no cluster {name!r} ({error}): see `Gateway().list_clusters()`") from None
    if not cluster.scheduler_address:
        raise Refusal(f"the cluster {name!r} is {cluster.status.name.lower()}: start it, or wait until it runs")
    return cluster.scheduler_address, cluster.security


class _Link:
    """The client, and the embedded cluster where there is one."""

    def __init__(self, scheduler: str | None, workers: int, gpus: int, security: "Security | None"):
        self._slots = {"cpu": workers, "gpu": gpus}
        self.embedded = scheduler is None
        if self.embedded:
            self._cluster = _cluster(workers, gpus)
            self.address, self._security = self._cluster.scheduler_address, None
        else:
            self._cluster = None
            self.address, self._security = _address(scheduler, security)
        self.client = self._connect()

    def __enter__(self) -> "_Link":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close(timeout=2)
        if self._cluster:
            for worker in self._cluster.workers.values():  # its threads may be inside a judge: they are not waited for
                self._cluster.sync(worker.close, timeout=1, executor_wait=False)
            self._cluster.close(timeout=2)

    @property
    def lost(self) -> bool:
        return self.client.status != "running"

    def slots(self) -> dict[str, int]:
        """How many the scheduler's workers offer now; those known last where it does not answer."""
        if not self.embedded:
            with contextlib.suppress(OSError, TimeoutError):
                found = self.client.sync(self.client.scheduler.identity, callback_timeout=5)["workers"].values()
                gpus = sum(int(w["resources"].get("GPU", 0)) for w in found)
                self._slots = {"cpu": sum(w["nthreads"] for w in found), "gpu": gpus}
        return self._slots

    def restore(self, deadline: float, stop: Callable[[], bool]) -> bool:
        """Wait until the scheduler is there again. The client tries by itself for a while, then a new one does."""
        while time.monotonic() < deadline and not stop():
            if not self.lost:
                return True
            if self.client.status == "closed":
                with contextlib.suppress(Refusal):
                    self.client = self._connect()
                    continue
            time.sleep(0.2)
        return False

    def _connect(self) -> "Client":
        from distributed import Client

        try:
            client = Client(self._cluster or self.address, timeout=CONNECT_SECONDS, security=self._security,
                            set_as_default=False, name="quintet")  # fmt: skip
        except TypeError:  # how Dask says that it has no certificates
            needed = "set QUINTET_TLS_CA, QUINTET_TLS_CERT and QUINTET_TLS_KEY"
            raise Refusal(f"{self.address} needs certificates: {needed}") from None
        except OSError as error:
            raise Refusal(
                f"no scheduler answers at {self.address} within {CONNECT_SECONDS:g} s: check that it runs, that this "
                f"machine may reach it, and the certificates; without --scheduler this machine grades alone ({error})"
            ) from None
        if not self.embedded:
            packages = client.sync(client.scheduler.versions)["packages"]
            theirs = {"distributed": packages["distributed"], "python": packages["python"].split(".final")[0]}
            if differs := _differences({k: version()[k] for k in theirs}, theirs):
                client.close(timeout=2)
                raise Refusal(f"the scheduler runs another version ({differs}): start it from this installation")
        return client


def _cluster(workers: int, gpus: int) -> Any:
    """One worker with a thread a slot: its tasks only wait, so threads suffice, and it is there in 40 ms."""
    from distributed import Scheduler, SpecCluster, Worker

    nowhere = {"protocol": "inproc://", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {**nowhere, "nthreads": workers, "memory_limit": 0, "resources": {"GPU": gpus}}
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": nowhere},
        workers={0: {"cls": Worker, "options": options}},
        silence_logs=False,
    )


def _silence(log: Path | None) -> None:
    """Dask's messages go to a file or nowhere, for the rest of this process: some come while it ends."""
    import distributed

    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log, delay=True, encoding="utf-8") if log else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    for name in ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio", "bokeh"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    warnings.filterwarnings("ignore", category=distributed.versions.VersionMismatchWarning)  # told in our own words
    warnings.filterwarnings("ignore", module="distributed")


# ---- the flight


def _fault(value: object) -> str:
    """What went wrong on our side, in a sentence; empty when an outcome arrived. Raises Refusal for what only a person
    can put right."""
    from distributed import CancelledError, KilledWorker

    match value:
        case Outcome():
            return _flaw(value) or (value.reason or "no reason given" if value.state == UNGRADED else "")
        case str():
            return value or "no reason given"
        case Refusal():
            raise value
        case ImportError():  # of the task itself: what `judge` raises arrives as text
            raise Refusal(f"a worker cannot load Quintet ({value}): start it from this installation")
        case KilledWorker():
            return "the workers that were to judge it died"
        case CancelledError() | asyncio.CancelledError():
            return "the connection to the scheduler was lost"
        case _:
            return f"{type(value).__name__}: {value}"


def _flaw(outcome: Outcome) -> str:
    """What is wrong with an outcome that arrived, in a sentence; empty when it is in order."""
    if outcome.state not in (GRADED, LIMITED, UNGRADED):
        return f"an outcome arrived with the state {str(outcome.state)[:40]!r}"
    texts = ((outcome.reason, MAX_REASON), (outcome.notebook, MAX_NOTEBOOK))
    if not all(isinstance(text, str) and len(text) <= most for text, most in texts):
        return "an outcome arrived whose reason or notebook is no text or too long"
    checks = outcome.checks
    if not (isinstance(checks, tuple) and len(checks) <= MAX_CHECKS and all(map(_is_check, checks))):
        return "an outcome arrived whose checks have no sensible points"
    if not _is_number(outcome.seconds):
        return "an outcome arrived that does not say how long it took"
    return ""


def _is_check(check: object) -> bool:
    match check:
        case {"id": str(), "points": points, "max": most, "findings": list()}:
            return _is_number(points) and _is_number(most) and points <= most
    return False


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


@dataclass
class _Try:
    """A job on its way."""

    job: Job
    kind: str  # of slot: cpu or gpu
    strikes: int = 0
    suspect: bool = False
    future: "Future | None" = None

    @property
    def key(self) -> str:
        """Of the task. Two who ask one scheduler for the same job at the same time share the work."""
        return f"judge-{self.job.key}-{self.strikes}"

    @property
    def lane(self) -> str:
        return "suspect" if self.suspect else self.kind


class _Flight:
    """What waits, what is in flight and what has arrived. All of it in the caller's thread but `_watch`."""

    def __init__(self, link: _Link, jobs, judge, needs_gpu, progress: Watcher | None, patience_seconds: float):
        self.link, self.judge, self.needs_gpu, self.progress = link, judge, needs_gpu, progress
        self.expected = None if link.embedded else version()
        self.patience_seconds = patience_seconds
        self.jobs, self.seen = iter(jobs), set()
        self.waiting = {lane: collections.deque() for lane in ("suspect", "cpu", "gpu")}
        self.flying: dict[str, _Try] = {}
        self.arrived: queue.SimpleQueue = queue.SimpleQueue()  # (try, future, value); None only wakes up
        self.slots, self.looked = link.slots(), time.monotonic()
        self.offered = dict.fromkeys(self.slots, self.looked)  # when there last was a slot of that kind
        self.landed = self.looked  # when something last came back
        self.exhausted, self.stopped = False, False
        self.count, self.noted = 0, ""

    def outcomes(self, total: int | None) -> Iterator[tuple[Job, Outcome]]:
        while not self.stopped:
            self._look()
            for hopeless in self._hopeless():
                yield self._finish(hopeless, Outcome(UNGRADED, f"no worker offers a GPU slot: {GPU_REMEDY}"))
            more = self._fill()
            if self.exhausted and not self.flying and not any(self.waiting.values()):
                return
            if finished := self._land(0.0 if more else LOOK_SECONDS):
                yield finished
        while not self.arrived.empty():
            if finished := self._land(0.0):
                yield finished
        of = f" of {total}" if total is not None else ""
        raise Stopped(f"stopped: {self.count}{of} are graded; run the same command again for the rest")

    def stop(self) -> None:
        """Called by the signal's handler, in the middle of anything."""
        self.stopped = True
        self.arrived.put(None)

    def cancel(self) -> None:
        """Take back what waits at the scheduler; what runs there ends by itself and is forgotten."""
        futures = [t.future for t in self.flying.values() if t.future]
        if futures and not self.link.lost and not self.link.embedded:
            with contextlib.suppress(OSError, TimeoutError):
                self.link.client.sync(self.link.client._cancel, futures, callback_timeout=2)

    # -- out

    def _room(self, lane: str) -> int:
        slots = self.slots.get(lane)
        # A GPU job that waits in a worker would keep the scheduler from sending that worker others.
        most = {"suspect": 1, "gpu": slots or LEAST, "cpu": PER_SLOT * (slots or LEAST)}[lane]
        return most - sum(t.lane == lane for t in self.flying.values())

    def _fill(self) -> bool:
        """Submit what there is room for; True when there is more to take from the caller at once."""
        if self.link.lost:
            return False
        for lane, waiting in self.waiting.items():
            for _ in range(min(len(waiting), self._room(lane))):
                self._submit(waiting.popleft())
        wanted = ["cpu", "gpu"] if self.needs_gpu and self.slots["gpu"] else ["cpu"]
        while any(self._room(lane) > 0 for lane in wanted) and sum(map(len, self.waiting.values())) < AHEAD:
            if (job := next(self.jobs, None)) is None:
                self.exhausted = True
                return False
            if job.key in self.seen:
                continue
            self.seen.add(job.key)
            taken = _Try(job, "gpu" if self.needs_gpu and self.needs_gpu(job) else "cpu")
            if self._room(taken.lane) <= 0 or self.link.lost:  # the caller may have taken its time for this one
                self.waiting[taken.lane].append(taken)
                return True  # what arrived meanwhile comes first
            self._submit(taken)
        return False

    def _submit(self, one: _Try) -> None:
        client = self.link.client
        resources = {"GPU": 1} if one.kind == "gpu" else None
        one.future = client.submit(
            _supervise, self.judge, one.job, self.expected, key=one.key, pure=False, resources=resources
        )
        self.flying[one.key] = one
        asyncio.run_coroutine_threadsafe(self._watch(one, one.future), client.loop.asyncio_loop)

    async def _watch(self, one: _Try, future: "Future") -> None:
        """On the client's loop: bring what becomes of a task to the caller's thread."""
        try:
            value = await future
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 `_land` tells them apart
            value = error
        self.arrived.put((one, future, value))

    # -- back

    def _land(self, seconds: float) -> tuple[Job, Outcome] | None:
        """Wait for what arrives next: the job with its outcome; None when nothing came or it is tried again."""
        from distributed import KilledWorker

        try:
            landing = self.arrived.get(timeout=seconds)
        except queue.Empty:
            return None
        if landing is None:
            return None
        one, future, value = landing
        if one.future is not future:  # given up meanwhile
            return None
        one.future = None
        del self.flying[one.key]
        self.landed = time.monotonic()
        fault = _fault(value)
        if not fault:
            return self._finish(one, value)
        one.suspect |= isinstance(value, KilledWorker)
        one.strikes += 1
        if one.strikes < STRIKES:
            self.waiting[one.lane].append(one)
            return None
        reason = f"given up after {STRIKES} faults of ours, the last: {fault}"
        return self._finish(one, Outcome(UNGRADED, " ".join(reason.split())[:MAX_REASON]))

    def _finish(self, one: _Try, outcome: Outcome) -> tuple[Job, Outcome]:
        self.count += outcome.state != UNGRADED
        if self.progress:
            self.progress.done(one.job, outcome)
        return one.job, outcome

    # -- is everybody there?

    def _look(self) -> None:
        """Every now and then: is the scheduler there, which slots are there, does anything come back at all?"""
        if self.link.lost:
            self._restore()
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.slots, self.looked = self.link.slots(), now
        self.offered.update({kind: now for kind, count in self.slots.items() if count})
        if not self.slots["cpu"]:
            self._note("no worker is there, waiting for one")
            self.landed = now
        if now - self.offered["cpu"] > self.patience_seconds:
            raise GradingFault(
                f"{self.link.address} has had no worker for {self.patience_seconds:g} s: start some with "
                f"`dask worker {self.link.address}`, then run the same command for the rest"
            )
        limits = [t.job.limits for t in self.flying.values()]
        longest = max((limit.total_seconds + limit.start_seconds for limit in limits), default=0.0)
        if self.flying and now - self.landed > longest + self.patience_seconds:
            raise GradingFault(
                f"nothing came back for {now - self.landed:.0f} s, longer than any submission may take: look at the "
                "log, start the workers again, then run the same command for the rest"
            )

    def _restore(self) -> None:
        self._note("the scheduler is lost, waiting for it to come back")
        back = self.link.restore(time.monotonic() + self.patience_seconds, lambda: self.stopped)
        if not back and not self.stopped:
            raise GradingFault(
                f"the scheduler at {self.link.address} did not come back within {self.patience_seconds:g} s: start it "
                "again, then run the same command for the rest; what was graded is kept"
            )
        self.landed = time.monotonic()
        self.looked, self.offered = 0.0, dict.fromkeys(self.slots, self.landed)

    def _hopeless(self) -> list[_Try]:
        """GPU jobs, when nobody has offered a GPU slot for too long: the others go on."""
        if self.slots["gpu"] or time.monotonic() - self.offered["gpu"] <= self.patience_seconds:
            return []
        found = [t for t in self.flying.values() if t.kind == "gpu"]
        for one in found:
            del self.flying[one.key]
            future, one.future = one.future, None
            future.release()
        held = self.waiting["gpu"]
        found += held
        held.clear()
        return found

    def _note(self, text: str) -> None:
        if self.progress and text != self.noted:
            self.progress.note(text)
        self.noted = text


@contextlib.contextmanager
def _interrupts(flight: _Flight) -> Iterator[None]:
    """The first Ctrl-C ends the flight in good order and never in the middle of the caller's writing."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return

    def first(signum: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        flight.stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# ---- progress


class Progress:
    """How far it is, per lab: bars on a terminal, otherwise a line now and then.

    with Progress({"2_1_amp": 100}, console) as progress:
        for job, outcome in run(jobs, judge, progress=progress): ...
    """

    def __init__(self, totals: dict[str, int], console: Console, every_seconds: float = 30.0):
        self.console, self.every_seconds = console, every_seconds
        self._bar = bar.Progress(
            bar.TextColumn("{task.description}"),
            bar.BarColumn(),
            bar.MofNCompleteColumn(),
            bar.TextColumn("{task.fields[rate]}"),
            bar.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._start = self._said = time.monotonic()
        self._lines = {lab: self._bar.add_task(lab, total=total, rate="") for lab, total in totals.items()}

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if not self.console.is_terminal:
            self._say()

    def done(self, job: Job, outcome: Outcome) -> None:
        if (line := self._lines.get(job.lab)) is None:
            line = self._lines[job.lab] = self._bar.add_task(job.lab, total=None, rate="")
        self._bar.advance(line)
        self._bar.update(line, rate=f"{self._rate(self._bar.tasks[line]):.0f} a minute")
        if not self.console.is_terminal and time.monotonic() - self._said >= self.every_seconds:
            self._say()

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def _rate(self, task: bar.Task) -> float:
        return 60 * task.completed / max(time.monotonic() - self._start, 1e-3)

    def _say(self) -> None:
        self._said = time.monotonic()
        for task in (t for t in self._bar.tasks if t.completed):
            rate = self._rate(task)
            left = f", {60 * task.remaining / rate:.0f} s left" if task.remaining else ""
            of = "" if task.total is None else f" of {task.total:.0f}"
            self.note(f"{task.description}: {task.completed:.0f}{of}, {rate:.0f} a minute{left}")
