"""All-reduce: N workers end with the same sum, and none of them sends more than twice its tensor.

[P09]  Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69 (2009)
       the ring, and its bound: no rank can send fewer than 2(N-1)/N · M bytes
[T05]  Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH, IJHPCA 19 (2005)
       the cost model α + n·β, recursive doubling, worlds that are no power of two
[L14]  Li et al., Scaling Distributed Machine Learning with the Parameter Server, OSDI 2014
[L20]  Li et al., PyTorch Distributed, VLDB 2020 (arXiv:2006.15704)
       §3.2.2 gradient bucketing · §3.2.3 overlap of computation with communication

    symbol here        symbol there
    N  world           [T05] p
    M  bytes           [T05] n, the size of one rank's tensor
    α, β, γ            [T05] seconds a message, seconds a byte on the wire, seconds a byte added up

Every algorithm is a sequence of point-to-point messages over a `Link`, and changes a tensor in place:

    ring_allreduce_         reduce-scatter, then all-gather: 2(N-1) steps of M/N bytes
    doubling_allreduce_     log2 N steps of M bytes
    server_allreduce_       everyone to one rank and back: that rank moves 2(N-1)·M bytes
    sharded_allreduce_      every rank is the server of one chunk: the ring's bytes, on all links

The result is the same to the last bit on every rank: each chunk is summed in one order and then handed round.
"""

import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

# ---------------------------------------------------------------------------------------------------------------------
# Links

PIECE_BYTES = 2**20  # of one message at most: while a piece is being added up, the next is on its way


class Link(Protocol):
    """What the algorithms ask of a transport. Messages between two ranks arrive in the order in which they were sent.

    Tensors are 1-D and contiguous; `into` is written.
    """

    rank: int
    world: int

    def send(self, out: Tensor, to: int) -> None: ...

    def recv(self, into: Tensor, frm: int) -> None: ...

    def exchange(self, outs: Sequence[Tensor], to: int, intos: Sequence[Tensor], frm: int) -> Iterator[Tensor]:
        """Send and receive with both under way at once, since blocking sends that all wait for each other never end.

        Yields each of `intos` when it is there; once exhausted, `outs` may be changed.
        """
        ...


class Distributed:
    """A link over `torch.distributed`: gloo, or NCCL with one GPU a rank (not run here: it needs two GPUs)."""

    def __init__(self, group: dist.ProcessGroup | None = None):
        self.group, self.rank, self.world = group, dist.get_rank(group), dist.get_world_size(group)

    def send(self, out: Tensor, to: int) -> None:
        dist.send(out, group=self.group, group_dst=to)

    def recv(self, into: Tensor, frm: int) -> None:
        dist.recv(into, group=self.group, group_src=frm)

    def exchange(self, outs: Sequence[Tensor], to: int, intos: Sequence[Tensor], frm: int) -> Iterator[Tensor]:
        if not outs and not intos:
            return
        receive = [dist.P2POp(dist.irecv, t, group=self.group, group_peer=frm) for t in intos]
        send = [dist.P2POp(dist.isend, t, group=self.group, group_peer=to) for t in outs]
        works = dist.batch_isend_irecv(receive + send)
        if len(works) < len(receive) + len(send):  # NCCL makes one of them all
            for work in works:
                work.wait()
            yield from intos
            return
        for work, into in zip(works, intos, strict=False):
            work.wait()
            yield into
        for work in works[len(intos) :]:
            work.wait()


class Messages:
    """A link over a `Comm` of `quintet.student`, whose fabric counts messages, bytes and steps."""

    def __init__(self, comm: Any):
        self.comm, self.rank, self.world = comm, comm.rank, comm.world

    def send(self, out: Tensor, to: int) -> None:
        self.comm.send(out, to)

    def recv(self, into: Tensor, frm: int) -> None:
        into.copy_(self.comm.recv(frm))

    def exchange(self, outs: Sequence[Tensor], to: int, intos: Sequence[Tensor], frm: int) -> Iterator[Tensor]:
        sends = [self.comm.isend(t, to) for t in outs]
        for into in intos:
            self.recv(into, frm)
            yield into
        for send in sends:
            send.wait()


# ---------------------------------------------------------------------------------------------------------------------
# The ring


def chunks(size: int, world: int) -> list[slice]:
    """`world` slices that cover `size` elements, their lengths differing by one at most; some are empty where size <
    world."""
    bounds = [size * r // world for r in range(world + 1)]
    return [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)]


def _pieces(flat: Tensor) -> list[Tensor]:
    """Views of at most `PIECE_BYTES`; none for an empty tensor, so that nothing is sent for it."""
    return list(flat.split(max(1, PIECE_BYTES // flat.element_size()))) if len(flat) else []


def _swap(link: Link, out: Tensor, to: int, into: Tensor, frm: int) -> None:
    """Send one tensor and receive another, both under way at once, until both have arrived."""
    for _ in link.exchange(_pieces(out), to, _pieces(into), frm):
        pass


def reduce_scatter_(link: Link, flat: Tensor) -> slice:
    """N-1 steps after which rank r holds the whole sum of chunk r+1, which is returned as a slice. [P09]

    In step s rank r sends chunk r-s, which already has s+1 terms, to its right, and adds what comes from its left to
    chunk r-s-1. flat: 1-D, contiguous, of one length and dtype on all ranks; its other chunks hold partial sums
    afterwards.
    """
    rank, world = link.rank, link.world
    parts = chunks(len(flat), world)
    scratch = torch.empty_like(flat[: -(-len(flat) // world)])
    for step in range(world - 1):
        out, into = flat[parts[(rank - step) % world]], flat[parts[(rank - step - 1) % world]]
        arriving = link.exchange(_pieces(out), (rank + 1) % world, _pieces(scratch[: len(into)]), (rank - 1) % world)
        for received, place in zip(arriving, _pieces(into), strict=True):
            place += received
    return parts[(rank + 1) % world]


def all_gather_(link: Link, flat: Tensor) -> None:
    """N-1 steps that hand each finished chunk once round the ring. [P09]

    flat: as `reduce_scatter_` leaves it, chunk r+1 finished on rank r.
    """
    rank, world = link.rank, link.world
    parts = chunks(len(flat), world)
    for step in range(world - 1):
        out, into = flat[parts[(rank + 1 - step) % world]], flat[parts[(rank - step) % world]]
        _swap(link, out, (rank + 1) % world, into, (rank - 1) % world)


def ring_allreduce_(link: Link, x: Tensor, mean: bool = False) -> Tensor:
    """The sum (or mean) of all ranks' `x`, in place, in 2(N-1) steps; a rank sends 2(N-1)/N · M bytes, to within two
    elements. [P09]

    x: any shape and strides, the same on all ranks, as is the dtype; sums are rounded to that dtype at each addition.
    Returns x. Raises ValueError for the mean of integers, and for tensors that are sparse or boolean.
    """
    with _flat(x, mean) as flat:
        own = reduce_scatter_(link, flat)
        if mean:
            flat[own] /= link.world  # before it is handed round: 1/N of the divisions
        all_gather_(link, flat)
    return x


@contextmanager
def _flat(x: Tensor, mean: bool) -> Iterator[Tensor]:
    """`x` as a 1-D tensor: itself seen so where its layout allows, else a copy that is written back."""
    if x.layout is not torch.strided or x.dtype == torch.bool:
        raise ValueError(f"expected a dense tensor of numbers to add up, received {x.layout} of {x.dtype}: convert it")
    if mean and not (x.is_floating_point() or x.is_complex()):
        raise ValueError(f"the mean of {x.dtype} tensors is none: take the sum, or convert them to a floating type")
    with torch.no_grad():
        if x.is_contiguous():
            yield x.detach().view(-1)
        else:
            flat = x.detach().reshape(-1).clone()
            yield flat
            x.copy_(flat.view(x.shape))


# ---------------------------------------------------------------------------------------------------------------------
# What the ring is compared with


def doubling_allreduce_(link: Link, x: Tensor, mean: bool = False) -> Tensor:
    """Recursive doubling: in step k rank r swaps its whole tensor with rank r XOR 2^k and adds. [T05]

    Few steps, many bytes: for small tensors. A world that is no power of two first folds the ranks beyond it onto the
    first ones, and hands them the result at the end. x, the result and the errors as in `ring_allreduce_`.
    """
    rank, world = link.rank, link.world
    whole = 2 ** (world.bit_length() - 1)
    with _flat(x, mean) as flat:
        if rank >= whole:
            link.send(flat, rank - whole)
            link.recv(flat, rank - whole)
            return x
        scratch = torch.empty_like(flat)
        if rank + whole < world:
            link.recv(scratch, rank + whole)
            flat += scratch
        for k in range(whole.bit_length() - 1):
            partner = rank ^ 2**k
            _swap(link, flat, partner, scratch, partner)
            flat += scratch
        if mean:
            flat /= world
        if rank + whole < world:
            link.send(flat, rank + whole)
    return x


def server_allreduce_(link: Link, x: Tensor, mean: bool = False, server: int = 0) -> Tensor:
    """A parameter server: every rank sends its tensor to one, which adds up and sends the sum to each. [L14]

    The server takes them by rank, so that the sum does not depend on who is early. x, the result and the errors as in
    `ring_allreduce_`.
    """
    others = [r for r in range(link.world) if r != server]
    with _flat(x, mean) as flat:
        if link.rank != server:
            link.send(flat, server)
            link.recv(flat, server)
            return x
        scratch = torch.empty_like(flat)
        for rank in others:
            link.recv(scratch, rank)
            flat += scratch
        if mean:
            flat /= link.world
        for rank in others:
            link.send(flat, rank)
    return x


def sharded_allreduce_(link: Link, x: Tensor, mean: bool = False) -> Tensor:
    """N parameter servers, one on each rank for one chunk: the bytes of a ring, between all pairs. [L14]

    In step k rank r deals with ranks r+k and r-k, so that no server is asked by two at once. x, the result and the
    errors as in `ring_allreduce_`.
    """
    rank, world = link.rank, link.world
    with _flat(x, mean) as flat:
        parts = chunks(len(flat), world)
        own = flat[parts[rank]]
        scratch = torch.empty_like(own)
        for k in range(1, world):
            out = flat[parts[(rank + k) % world]]
            _swap(link, out, (rank + k) % world, scratch, (rank - k) % world)
            own += scratch
        if mean:
            own /= world
        for k in range(1, world):
            into = flat[parts[(rank - k) % world]]
            _swap(link, own, (rank + k) % world, into, (rank - k) % world)
    return x


# ---------------------------------------------------------------------------------------------------------------------
# Data-parallel training


def broadcast_(link: Link, tensors: Iterable[Tensor]) -> None:
    """Rank 0's tensors to everyone, along the ring: what makes all ranks start from the same weights."""
    for x in tensors:
        with _flat(x, mean=False) as flat:
            if link.rank > 0:
                link.recv(flat, link.rank - 1)
            if link.rank + 1 < link.world:
                link.send(flat, link.rank + 1)


def loss_weight(link: Link, rows: int) -> float:
    """The factor for a rank's mean loss that makes the mean of the ranks' gradients the gradient of all rows' mean.

    N · rows / (rows of all ranks): 1 where the ranks have equally many. Raises ValueError where no rank has any.
    """
    total = ring_allreduce_(link, torch.tensor([rows])).item()
    if total <= 0:
        raise ValueError(f"expected at least one row on some rank, received {total}: drop the empty batch everywhere")
    return link.world * rows / total


@dataclass
class _Bucket:
    params: list[nn.Parameter]
    missing: int = 0  # gradients that backward has not made yet
    done: Future | None = None


class GradientAverage:
    """Averages gradients over the ranks while backward is still making others. [L20 §3.2.2, §3.2.3]

        average = GradientAverage(link, model.parameters())
        ...
        loss.backward()     # buckets leave as soon as they are full
        average.wait()      # .grad now holds the mean on every rank
        optimizer.step()

    Buckets are filled in the reverse order of the parameters, as backward makes gradients, and leave in one order on
    all ranks, from one thread. A parameter that got no gradient counts as zeros, and gets the others' mean.

    params: the same on all ranks, in the same order. bucket_bytes: of one all-reduce; a larger parameter goes alone.
    allreduce: any of this module's. Equal to training in one process on all ranks' rows where every rank has as many
    rows (see `loss_weight`), and no layer mixes rows (batch norm) or draws at random (dropout).
    """

    def __init__(
        self,
        link: Link,
        params: Iterable[nn.Parameter],
        bucket_bytes: int = 25 * 2**20,
        allreduce: Callable[..., Tensor] = ring_allreduce_,
    ):
        self.link, self.allreduce, self._syncing = link, allreduce, True
        self.buckets = [_Bucket(group) for group in _grouped(params, bucket_bytes)]
        self._jobs: queue.SimpleQueue[tuple[list[nn.Parameter], Future] | None] = queue.SimpleQueue()
        self._hooks = [
            p.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self._made(bucket))
            for bucket in self.buckets
            for p in bucket.params
        ]
        self._thread = threading.Thread(target=self._work, name="gradient average", daemon=True)
        self._thread.start()
        self._begin()

    def wait(self) -> None:
        """Until every gradient is the mean of all ranks'. Raises what the all-reduce raised."""
        self._leave(len(self.buckets))
        try:
            for bucket in self.buckets:
                bucket.done.result()
        finally:
            self._begin()

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Within, backward only adds up: for all micro-batches but the last."""
        self._syncing = False
        try:
            yield
        finally:
            self._syncing = True

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._jobs.put(None)
        self._thread.join()

    def _begin(self) -> None:
        self._next = 0  # buckets that have left
        for bucket in self.buckets:
            bucket.missing, bucket.done = len(bucket.params), Future()

    def _made(self, bucket: _Bucket) -> None:
        if not self._syncing:
            return
        bucket.missing -= 1
        if bucket.missing < 0:
            raise RuntimeError("backward ran twice before wait(): run all but the last micro-batch within no_sync()")
        full = self._next
        while full < len(self.buckets) and self.buckets[full].missing == 0:
            full += 1
        self._leave(full)

    def _leave(self, until: int) -> None:
        for bucket in self.buckets[self._next : until]:
            self._jobs.put((bucket.params, bucket.done))
        self._next = max(self._next, until)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            params, done = job
            try:
                done.set_result(self._average(params))
            except BaseException as error:  # for whoever waits
                done.set_exception(error)

    @torch.no_grad()
    def _average(self, params: list[nn.Parameter]) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        flat = torch.cat([g.reshape(-1) for g in grads])
        self.allreduce(self.link, flat, mean=True)
        for p, g, part in zip(params, grads, flat.split([g.numel() for g in grads]), strict=True):
            p.grad = g.copy_(part.view(g.shape))


def _grouped(params: Iterable[nn.Parameter], bucket_bytes: int) -> Iterator[list[nn.Parameter]]:
    """Those that require a gradient, last first, in groups of one dtype and device."""
    group: list[nn.Parameter] = []
    for p in reversed([p for p in params if p.requires_grad]):
        kin = not group or (p.dtype, p.device) == (group[0].dtype, group[0].device)
        if group and (not kin or sum(q.nbytes for q in group) + p.nbytes > bucket_bytes):
            yield group
            group = []
        group.append(p)
    if group:
        yield group


# ---------------------------------------------------------------------------------------------------------------------
# What it costs


@dataclass(frozen=True)
class Cost:
    """A link between two ranks: a message of n bytes takes alpha + n·beta seconds; adding up, gamma a byte. [T05]

    A rank sends one message and receives one at a time, and links do not disturb each other.
    """

    alpha: float
    beta: float
    gamma: float = 0.0

    def message(self, bytes: float) -> float:
        return self.alpha + bytes * self.beta


def ring_seconds(world: int, bytes: float, cost: Cost) -> float:
    """2(N-1)α + 2(N-1)/N·Mβ + (N-1)/N·Mγ. [T05]"""
    return (world - 1) * (2 * cost.message(bytes / world) + bytes / world * cost.gamma)


def doubling_seconds(world: int, bytes: float, cost: Cost) -> float:
    """log2 N · (α + Mβ + Mγ), and where N is no power of two a step before with γ and one after. [T05]"""
    extra = world != 2 ** (world.bit_length() - 1)
    steps, sums = world.bit_length() - 1 + 2 * extra, world.bit_length() - 1 + extra
    return steps * cost.message(bytes) + sums * bytes * cost.gamma


def server_seconds(world: int, bytes: float, cost: Cost, shards: int = 1) -> float:
    """2(N-1)(α + Mβ) + (N-1)·Mγ for one server: its link takes N-1 tensors in and N-1 out, one after the other.

    shards: servers that share a tensor evenly, each a rank among the N; with N of them the cost is the ring's. Raises
    ValueError unless 1 ≤ shards ≤ world.
    """
    if not 1 <= shards <= world:
        raise ValueError(f"expected 1 to {world} shards, one a rank at most, received {shards}")
    part = bytes / shards
    return (world - 1) * (2 * cost.message(part) + part * cost.gamma)


def crossover_bytes(world: int, cost: Cost) -> float:
    """The tensor size above which the ring beats recursive doubling, γ left out; N a power of two.

    From 2(N-1)α + 2(N-1)/N·Mβ = log2 N·(α + Mβ). Infinite for N ≤ 2, where doubling moves no more bytes in fewer steps.
    """
    rounds = math.log2(world)
    saved = rounds - 2 * (world - 1) / world  # bytes, in tensors
    return math.inf if saved <= 0 else (2 * (world - 1) - rounds) * cost.alpha / (saved * cost.beta)


def fit_cost(bytes: Sequence[float], seconds: Sequence[float]) -> Cost:
    """α and β that come closest to the measured times of messages, in relative terms: a least-squares fit of
    (α + n·β)/t to 1, so that the large ones, whose errors in seconds are largest, do not decide α.

    Neither is below 0. Raises ValueError for fewer than two different sizes, or times that are not positive.
    """
    n, t = np.asarray(bytes, float), np.asarray(seconds, float)
    if len(set(n)) < 2 or len(n) != len(t) or not (t > 0).all():
        raise ValueError(
            f"expected times above 0 for at least two different sizes, received {len(n)} sizes and {len(t)} times"
        )
    from scipy.optimize import nnls

    scale = n.max()
    (alpha, beta), _ = nnls(np.stack([1 / t, n / scale / t], axis=1), np.ones_like(t))
    return Cost(float(alpha), float(beta) / scale)


def efficiency(compute: float, communicate: float, overlap: float = 0.0) -> float:
    """Weak scaling: the share of a step's seconds that is computation, where up to `overlap` of the computation hides
    communication.

    compute / (compute + max(0, communicate - overlap·compute)). Raises ValueError unless 0 ≤ overlap ≤ 1.
    """
    if not 0 <= overlap <= 1:
        raise ValueError(f"expected an overlap from 0 to 1, received {overlap}")
    return compute / (compute + max(0.0, communicate - overlap * compute))
