"""A fabric between a student's ranks, hosted by the check's side, which sees every message.

    fabric = Fabric(world=4)
    results = student.parallel(student.ring_allreduce, [(tensor,) for tensor in inputs], fabric)
    fabric.bytes_sent, fabric.steps, fabric.links, fabric.log, trace(fabric.log, inputs)

Processes: this side is trusted. A rank (ranks.py) is a process of the student's, in the notebook a thread, and reaches
the others only over its own socket to this side. `Student.parallel` makes the socket pairs and lends the far ends to
the student's child as descriptors on the child's own socket (serve.py); the child forks the ranks, and each gets its
arguments over its socket, where no other can see them. The socket says who speaks; a frame says nothing about its
sender. Every frame is a claim: capped before it is read, checked against a
closed set of questions. A rank that breaks a rule loses its socket and gets a StudentError as its result, the others go
on; nothing that a rank does raises here. After the last run this side closes the sockets, and the child kills its
ranks; a child that does not is killed with all its processes by whoever holds it (a call has a time limit).

Schedule: a rank that has asked waits for its answer, and an answer is given only when every rank has asked or ended.
So the fabric chooses the order of events, by `rng` or lowest rank first, and the same seed repeats the same run.
When no rank can be answered, that is a deadlock, known at once and without a clock.

Steps: the length of the run if a message took one unit of time, and a rank sent one and received one at a time. It
does not depend on the schedule: 2(N-1) for the ring, and for a parameter server too.

Ranks of a student's can share what they opened before the fork (memory, a file), so counts alone prove nothing: `trace`
tells what each message carried and whether its sender could know it.
"""

import contextlib
import itertools
import math
import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from quintet.student import wire
from quintet.student.host import TRACEBACK_CHARS
from quintet.student.proxy import KINDS, Died, StudentError, TimedOut
from quintet.student.ranks import MAX_WORLD, refuse

MAX_TAG = 2**16
MAX_TRACED = 500  # messages; a ring of 10 ranks sends 180
MAX_HEADER = 2**20  # of a frame: its JSON takes up to 25 times as much memory


class Deadlock(StudentError):
    """The rank waits for what can never come. The text says who waits for whom."""


class BrokeRule(StudentError):
    """The rank sent more than it may, or something that is no question to a fabric, and was stopped."""


@dataclass(frozen=True)
class Bounds:
    """What one rank may use in a run; `seconds` is for all together."""

    seconds: float = 20.0
    bytes: int = 16 * 2**20  # sent, and of its result
    operations: int = 10_000  # questions: sends, receives, waits


@dataclass
class Message:
    """`order` and `received` are places in the one order of events of the run; `received` is None while nobody has it.
    `step`: see above."""

    order: int
    source: int
    target: int
    tag: int
    payload: torch.Tensor | np.ndarray
    step: int
    received: int | None = None

    @property
    def bytes(self) -> int:
        return self.payload.nbytes


@dataclass
class _Channel:
    """Messages of one source, target and tag. The n-th asking for one gets the n-th message."""

    messages: list[Message] = field(default_factory=list)
    asked: int = 0


@dataclass
class _Wait:
    """What a rank has asked and waits for. kind: "send", "recv", or "now" when only its turn is missing."""

    kind: str
    peer: int = -1
    channel: _Channel = field(default_factory=_Channel)
    n: int = -1  # which of the channel's messages
    answer: Any = None  # of "now": [status, value]
    waited: bool = False  # asked for by its handle


@dataclass
class _Rank:
    number: int
    sock: socket.socket
    wait: _Wait | None = None
    handles: list[_Wait] = field(default_factory=list)
    operations: int = 0
    bytes: int = 0
    sent: int = 0  # step of its latest message
    received: int = 0  # step in which the latest message reached it
    ended: str = ""  # how
    handed_in: bool = False


class Fabric:
    """One run of `world` ranks.

    rng: draws the order of events; None: the lowest rank that can go on does.
    capacity: messages that wait on a channel (source, target, tag) before a send blocks; 0: a send ends when the other
    side asks for it; None: as many as the bounds allow.
    slow: ranks that get a turn only when no other can go on.
    """

    def __init__(
        self,
        world: int,
        rng: np.random.Generator | None = None,
        capacity: int | None = None,
        slow: Sequence[int] = (),
        bounds: Bounds | None = None,
    ):
        if not 1 <= world <= MAX_WORLD:
            raise ValueError(f"a fabric has 1 to {MAX_WORLD} ranks, not {world}")
        self.world, self.rng, self.slow, self.bounds = world, rng, set(slow), bounds or Bounds()
        self.capacity = math.inf if capacity is None else capacity
        self.log: list[Message] = []
        self.refused: list[tuple[int, str]] = []  # (rank, why): questions that were answered with an error
        self.deadlock = ""  # who waits for whom, when the run ended so
        unheard = Died("Died", "the ranks were never run")
        self.results: list[Any] = [unheard] * world  # a value or a StudentError a rank
        self._ranks: list[_Rank] = []
        self._channels: defaultdict[tuple[int, int, int], _Channel] = defaultdict(_Channel)
        self._events = itertools.count()

    # ---- what it has seen

    @property
    def started(self) -> bool:
        return bool(self._ranks)

    @property
    def survived(self) -> bool:
        """Every rank has handed in a result or an error of its own."""
        return self.started and all(r.handed_in for r in self._ranks)

    @property
    def bytes_sent(self) -> list[int]:
        return [sum(m.bytes for m in self.log if m.source == r) for r in range(self.world)]

    @property
    def bytes_received(self) -> list[int]:
        return [sum(m.bytes for m in self.log if m.target == r and m.received is not None) for r in range(self.world)]

    @property
    def messages_sent(self) -> list[int]:
        return [sum(m.source == r for m in self.log) for r in range(self.world)]

    @property
    def links(self) -> dict[tuple[int, int], int]:
        """Bytes by (source, target), for the pairs that were used."""
        found: dict[tuple[int, int], int] = {}
        for m in self.log:
            found[m.source, m.target] = found.get((m.source, m.target), 0) + m.bytes
        return found

    @property
    def unreceived(self) -> list[Message]:
        return [m for m in self.log if m.received is None]

    @property
    def unwaited(self) -> set[int]:
        """Ranks with an isend or irecv that they never waited for."""
        return {r.number for r in self._ranks if not all(w.waited for w in r.handles)}

    @property
    def steps(self) -> int:
        return max((max(r.sent, r.received) for r in self._ranks), default=0)

    # ---- the run

    def conduct(
        self, sockets: Sequence[socket.socket], until: float, *more: "Fabric", arguments: Sequence[bytes] = ()
    ) -> None:
        """Serve the ranks behind `sockets` until all have ended, none can go on, or the monotonic clock says `until`.
        more: for their further runs, while all survive. arguments: a frame for each rank, which starts a run of it."""
        try:
            self._run(sockets, until, arguments)
            for before, fabric in itertools.pairwise((self, *more)):
                if not before.survived:
                    break
                fabric._run(sockets, until, arguments)
        finally:
            for sock in sockets:
                sock.close()

    def _run(self, sockets: Sequence[socket.socket], until: float, arguments: Sequence[bytes]) -> None:
        self._ranks = [_Rank(number, sock) for number, sock in enumerate(sockets)]
        self._start = time.monotonic()
        self._until = min(until, self._start + self.bounds.seconds)
        running = self._ranks
        rank = running[0]
        try:
            for rank, frame in zip(self._ranks, arguments, strict=False):
                self._send(rank, frame)
            while True:
                for rank in running:
                    self._listen(rank)
                ready = [r for r in self._ranks if r.wait and self._can_go_on(r.wait)]
                if not ready:
                    break
                running = [self._choose(ready)]
                self._answer(*running)
            self._stop_waiting()
        except TimeoutError:
            self._stop_late(rank)

    def _listen(self, rank: _Rank) -> None:
        """Take one question, or the result, from a rank that is not waiting."""
        if rank.ended:
            return
        try:
            frame = wire.read_frame(lambda n: self._read(rank, n))
            if wire.HEAD.unpack_from(frame)[0] > MAX_HEADER:
                raise wire.WireError(f"more than {MAX_HEADER:,} bytes outside of arrays")
            rank.wait = self._understand(rank, wire.unpack(frame, refuse))
        except TimeoutError:
            raise
        except (EOFError, OSError):
            self._end(rank, Died("Died", f"rank {rank.number} ended without an answer"), "died")
        except wire.WireError as error:
            self._end(rank, BrokeRule("BrokeRule", f"rank {rank.number}: {error}"), "was stopped")

    def _read(self, rank: _Rank, n: int) -> bytes:
        if n > self.bounds.bytes + MAX_HEADER:
            raise wire.WireError(f"{n:,} bytes at once; {self.bounds.bytes:,} are allowed")
        data = bytearray()
        while len(data) < n:
            rank.sock.settimeout(self._left())
            part = rank.sock.recv(min(n - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _understand(self, rank: _Rank, question: Any) -> _Wait | None:
        rank.operations += 1
        if rank.operations > self.bounds.operations:
            raise wire.WireError(f"more than {self.bounds.operations:,} sends, receives and waits")
        match question:
            case ["ok", value]:
                return self._hand_in(rank, value, "returned")
            case ["error", str(kind), str(text), str(trace)]:
                error = KINDS.get(kind, StudentError)(kind[:80], text[:TRACEBACK_CHARS], trace[-TRACEBACK_CHARS:])
                return self._hand_in(rank, error, f"raised {kind[:80]}")
            case ["wait", int(handle)] if 0 <= handle < len(rank.handles):
                rank.handles[handle].waited = True
                return rank.handles[handle]
            case ["send" | "isend" | "recv" | "irecv" as operation, int(peer), int(tag), *payload]:
                why = self._unfit(rank, operation, peer, tag, payload)
                if why:
                    self.refused.append((rank.number, why))
                    return _Wait("now", answer=["error", why])
                wait = self._post(rank, operation, peer, tag, *payload)
                if operation[0] != "i":
                    return wait
                rank.handles.append(wait)
                return _Wait("now", answer=["ok", len(rank.handles) - 1])
        raise wire.WireError("asked something that a fabric does not know")

    def _unfit(self, rank: _Rank, operation: str, peer: int, tag: int, payload: list) -> str:
        """Why the question cannot be served; empty if it can."""
        if not 0 <= peer < self.world:
            return f"{operation}: there is no rank {peer}, ranks are 0 to {self.world - 1}"
        if peer == rank.number:
            return f"{operation}: rank {peer} named itself"
        if not 0 <= tag < MAX_TAG:
            return f"{operation}: a tag is a number from 0 to {MAX_TAG - 1:,}"
        match operation, payload:
            case ("recv" | "irecv", []) | ("send" | "isend", [torch.Tensor() | np.ndarray()]):
                return ""
        return f"{operation}: a message is a tensor or an array"

    def _post(self, rank: _Rank, operation: str, peer: int, tag: int, *payload: Any) -> _Wait:
        if not payload:
            channel = self._channels[peer, rank.number, tag]
            channel.asked += 1
            return _Wait("recv", peer, channel, channel.asked - 1)
        rank.bytes += payload[0].nbytes
        if rank.bytes > self.bounds.bytes:
            raise wire.WireError(f"more than {self.bounds.bytes:,} bytes sent")
        rank.sent = 1 + max(rank.sent, rank.received)
        message = Message(next(self._events), rank.number, peer, tag, payload[0], rank.sent)
        self.log.append(message)
        channel = self._channels[rank.number, peer, tag]
        channel.messages.append(message)
        return _Wait("send", peer, channel, len(channel.messages) - 1)

    def _can_go_on(self, wait: _Wait) -> bool:
        match wait.kind:
            case "send":
                return wait.n < wait.channel.asked + self.capacity
            case "recv":
                return wait.n < len(wait.channel.messages)
        return True

    def _choose(self, ready: list[_Rank]) -> _Rank:
        ready = [r for r in ready if r.number not in self.slow] or ready
        return ready[0 if self.rng is None else self.rng.integers(len(ready))]

    def _answer(self, rank: _Rank) -> None:
        wait, rank.wait = rank.wait, None
        answer = wait.answer or ["ok", None]
        if wait.kind == "recv":
            message = wait.channel.messages[wait.n]
            if message.received is None:
                message.received = next(self._events)
                rank.received = max(message.step, rank.received + 1)
            answer = ["ok", message.payload]
        self._tell(rank, answer)

    def _tell(self, rank: _Rank, answer: list) -> None:
        self._send(rank, wire.pack(answer, refuse))

    def _send(self, rank: _Rank, frame: bytes) -> None:
        try:
            rank.sock.settimeout(self._left())
            rank.sock.sendall(frame)
        except TimeoutError:
            raise
        except OSError:
            self._end(rank, Died("Died", f"rank {rank.number} ended without an answer"), "died")

    # ---- how it ends

    def _hand_in(self, rank: _Rank, result: Any, how: str) -> None:
        rank.ended, rank.handed_in = how, True
        self.results[rank.number] = result

    def _end(self, rank: _Rank, error: StudentError, how: str) -> None:
        rank.ended, rank.wait = how, None
        self.results[rank.number] = error
        rank.sock.close()

    def _stop_waiting(self) -> None:
        """No rank can go on: those that wait, wait for ever."""
        waiting = [r for r in self._ranks if r.wait]
        self.deadlock = "; ".join(map(self._waits, waiting))
        for rank in waiting:
            self._end(rank, Deadlock("Deadlock", self.deadlock), "waits for ever")

    def _stop_late(self, silent: _Rank) -> None:
        """Time is up; `silent` is the rank that it was spent on."""
        seconds = self._until - self._start
        for rank in self._ranks:  # some may have asked while we waited for the silent one: they are not late
            if not rank.wait and rank is not silent:
                self._until = time.monotonic() + 0.05
                with contextlib.suppress(TimeoutError):
                    self._listen(rank)
        late = [r for r in self._ranks if not r.wait and not r.ended]
        said = [f"rank {r.number} neither asked nor ended within {seconds:.3g} s" for r in late]
        said += [self._waits(r) for r in self._ranks if r.wait]
        for rank in self._ranks:
            if not rank.ended:
                self._end(rank, TimedOut("TimedOut", "; ".join(said)), "ran out of time")

    def _waits(self, rank: _Rank) -> str:
        wait = rank.wait
        other = self._ranks[wait.peer].ended
        tail = f", which {other}" if other else ""
        match wait.kind:
            case "recv":
                return f"rank {rank.number} waits for a message from rank {wait.peer}{tail}"
            case "send":
                return f"rank {rank.number} waits for rank {wait.peer} to receive what it sent{tail}"
        return f"rank {rank.number} waits for its turn"


# ---- what the messages carried


@dataclass(frozen=True)
class Hop:
    """What a message of an all-reduce carried: elements `start, start + stride, …` of the sum over `ranks`, times
    `scale`.

    ranks: None when it is no such sum; empty for padding. known: its sender had, by itself or from messages before,
    a part of every rank's in it.
    """

    message: Message
    ranks: frozenset[int] | None
    start: int = 0
    stride: int = 1
    scale: float = 1.0
    known: bool = False


@dataclass(frozen=True)
class Trace:
    """hops: one a message, in the order of the log. has: [r, q, i] whether rank r had, or was sent, a part of rank q's
    element i, by any explanation of a message that has several."""

    hops: list[Hop]
    has: np.ndarray

    @property
    def reached(self) -> list[bool]:
        """For each rank, whether it had a part of every rank's for every element: without, its result came by another
        way."""
        return [bool(of_rank.all()) for of_rank in self.has]

    @property
    def unexplained(self) -> list[Hop]:
        """Messages that are no partial sum, or one that the sender could not know."""
        return [h for h in self.hops if not h.known]


def trace(log: Sequence[Message], inputs: Sequence[torch.Tensor], scales: Sequence[float] = (1.0,)) -> Trace:
    """What each message carried, for a sum of `inputs`, one a rank, flattened; `scales` are the factors that a message
    may have, as (1, 1 / world) for a mean.

    Chunks may be contiguous or strided by the number of ranks, and padded at the end with zeros, fewer than there are
    ranks in each chunk and altogether. Draw inputs at random, without zeros, and chunks longer than the number of
    ranks: then nothing else looks like a partial sum. At most 10 ranks; messages beyond `MAX_TRACED` are not explained.
    """
    sums = _Sums(inputs, scales)
    world, size = len(inputs), sums.size
    has = np.zeros((world, world, size), bool)  # has[r, q, i]: rank r has had a part of rank q's element i
    has[range(world), range(world)] = True
    hops: dict[int, list[Hop]] = {}
    events = [(m.order, m) for m in log] + [(m.received, m) for m in log if m.received is not None]
    for order, message in sorted(events, key=lambda event: event[0]):
        if order == message.order:
            looked_up = len(hops) < MAX_TRACED  # each takes time, and their number is the student's choice
            hops[order] = sums.explain(message, has[message.source]) if looked_up else [Hop(message, None)]
        else:
            for hop in hops[message.order]:
                if hop.known:
                    where = slice(hop.start, hop.start + hop.stride * sums.length(message), hop.stride)
                    has[message.target, sorted(hop.ranks), where] = True
    return Trace([hops[m.order][0] for m in log], has)


class _Sums:
    """All partial sums of the inputs, to look payloads up in."""

    def __init__(self, inputs: Sequence[torch.Tensor], scales: Sequence[float]):
        world = len(inputs)
        if world > 10:
            raise ValueError(f"the partial sums of {world} ranks are too many: 10 at most")
        flat = np.stack([_flat(x) for x in inputs])
        self.size, self.scales, self.strides = flat.shape[1], scales, sorted({1, world})
        subsets = [s for n in range(1, world + 1) for s in itertools.combinations(range(world), n)]
        self.subsets = [frozenset(s) for s in subsets]
        padded = np.pad(flat, ((0, 0), (0, world)))
        self.sums = np.stack([padded[list(s)].sum(0) for s in subsets])
        self.magnitude = np.abs(padded).sum(0) * world

    @staticmethod
    def length(message: Message) -> int:
        return math.prod(message.payload.shape)

    def explain(self, message: Message, has: np.ndarray) -> list[Hop]:
        """All explanations that the sender could know (a short chunk or one in fp16 may have several); else any; else
        an empty one."""
        payload, world = _flat(message.payload), len(has)
        payload[~np.isfinite(payload)] = np.finfo(float).max  # no sum of ours
        if not payload.any() and len(payload) <= world:
            return [Hop(message, frozenset(), self.size, known=True)]
        found, other = [], Hop(message, None)
        for scale, stride in itertools.product(self.scales, self.strides):
            for subset, start in self._places(payload / scale, stride, _eps(message.payload)):
                known = bool(has[sorted(self.subsets[subset]), start : self.size : stride][:, : len(payload)].all())
                other = Hop(message, self.subsets[subset], start, stride, scale, known)
                if known:
                    found.append(other)
        return found or [other]

    def _places(self, payload: np.ndarray, stride: int, eps: float) -> list[tuple[int, int]]:
        """Where (subset, start) the payload stands among the sums."""
        n = len(payload)
        last = min(self.size, self.sums.shape[1] - stride * (n - 1))
        if last <= 0:
            return []
        fits = np.ones((len(self.sums), last), bool)
        for i in (0, n // 2, n - 1):  # three elements leave few places to look at in full
            part = slice(i * stride, i * stride + last)
            fits &= np.abs(self.sums[:, part] - payload[i]) <= eps * self.magnitude[part]
        places = []
        for subset, start in zip(*np.nonzero(fits), strict=True):
            window = slice(start, start + stride * (n - 1) + 1, stride)
            if (np.abs(self.sums[subset, window] - payload) <= eps * self.magnitude[window]).all():
                places.append((int(subset), int(start)))
        return places


def _flat(x: torch.Tensor | np.ndarray) -> np.ndarray:
    if isinstance(x, torch.Tensor):
        x = x.detach().to(torch.complex128 if x.is_complex() else torch.float64).numpy()
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64).reshape(-1)  # a copy


def _eps(x: torch.Tensor | np.ndarray) -> float:
    if isinstance(x, torch.Tensor):
        return torch.finfo(x.dtype).eps if x.is_floating_point() or x.is_complex() else 0.0
    return float(np.finfo(x.dtype).eps) if x.dtype.kind in "fc" else 0.0
