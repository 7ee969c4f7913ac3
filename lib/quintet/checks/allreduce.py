"""What lab 2.3 asks: the two halves of a ring, the whole all-reduce, a data-parallel step, shards and costs.

The ranks' messages go over a fabric that this side hosts: it counts bytes and steps, and `trace` tells whether what was
sent is what a ring sends. So a right sum that came another way is seen.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quintet import allreduce
from quintet.checks import Either, Misconception, Mismatch, case, check, draw, near, show_value
from quintet.checks.near import difference
from quintet.student import Student, StudentError
from quintet.student.fabric import Bounds, Deadlock, Fabric, trace

LECTURE = "lecture 2.3 allreduce, section "
MISCONCEPTIONS = {
    "chunk-off-by-one": Misconception(
        "a chunk's number is off by one",
        "What arrives from the left in step s is the chunk that the left neighbour sent: its own number minus s, which "
        "is yours minus s minus one.",
        LECTURE + "3 Reduce-scatter",
    ),
    "place-off-by-one": Misconception(
        "a gathered chunk stands in its neighbour's place",
        "Rank r starts with chunk r plus one, so what arrives in step s is chunk r minus s, and not the one that "
        "reduce-scatter has in that step.",
        LECTURE + "4 All-gather",
    ),
    "rest-dropped": Misconception(
        "the elements that are left over when the size is divided by the world are not added up",
        "No size is a multiple of every world: let the chunks' lengths differ by one, or pad and cut.",
        LECTURE + "3 Reduce-scatter",
    ),
    "blocking-sends": Misconception(
        "every rank sends first and waits until its neighbour receives",
        "A blocking send ends when the other side receives: in a ring where all send first, nobody does. Start the "
        "send (isend), receive, then wait for the send.",
        LECTURE + "3 Reduce-scatter",
    ),
    "whole-tensors": Misconception(
        "whole tensors go round the ring",
        "The sum is right, but each rank sends (N-1)·M bytes where 2(N-1)/N·M are enough: cut the tensor into N chunks "
        "and send one a step.",
        LECTURE + "2 What a ring saves",
    ),
    "only-rank-0": Misconception(
        "only rank 0 has the result",
        "An all-reduce ends with the result on every rank: after the sum is made, it has to go round.",
        LECTURE + "4 All-gather",
    ),
    "sum-for-mean": Misconception(
        "the sum was returned where the mean was asked for",
        "Gradients are then N times too large: divide by the number of ranks.",
        LECTURE + "5 The whole ring",
    ),
    "integer-mean": Misconception(
        "the mean of integers was rounded to an integer",
        "Three ranks with 1, 1 and 0 have the mean ⅔. Add up in integers, exactly, and divide in float64.",
        LECTURE + "5 The whole ring",
    ),
    "callers-buffer": Misconception(
        "the caller's tensor was changed",
        "Whoever called this still holds it, and finds a partial sum there. Work on a copy.",
        LECTURE + "5 The whole ring",
    ),
    "parameters-averaged": Misconception(
        "the parameters were averaged after the step, and not the gradients before it",
        "With momentum or Adam each rank's optimizer then has seen other gradients than the others: what it remembers "
        "drifts apart.",
        LECTURE + "6 Data-parallel training",
    ),
    "unequal-batches": Misconception(
        "ranks with unequal batches were weighted equally",
        "A row in a small batch then counts more than one in a large batch. Weight each rank's mean gradient by its "
        "rows.",
        LECTURE + "6 Data-parallel training",
    ),
    "gradients-summed": Misconception(
        "the gradients were summed over the ranks, not averaged",
        "The step is then N times too long.",
        LECTURE + "6 Data-parallel training",
    ),
    "epoch-forgotten": Misconception(
        "every epoch has the same order",
        "The shuffle has to depend on the epoch as well as on the seed, or each rank sees the same rows in the same "
        "order for ever (`DistributedSampler.set_epoch`).",
        LECTURE + "6 Data-parallel training",
    ),
    "shuffled-apart": Misconception(
        "the ranks shuffle differently, so that some rows come twice and others never",
        "All ranks must draw the same permutation and take different parts of it: the seed must not depend on the "
        "rank.",
        LECTURE + "6 Data-parallel training",
    ),
    "bytes-per-step": Misconception(
        "every step was charged with the whole tensor",
        "A step of the ring carries one chunk, M/N bytes.",
        LECTURE + "7 What it costs",
    ),
    "one-half-only": Misconception(
        "only one of the two halves was counted",
        "Reduce-scatter and all-gather take N-1 steps each.",
        LECTURE + "7 What it costs",
    ),
    "ring-always": Misconception(
        "the ring was called faster for every size",
        "It needs 2(N-1) steps where recursive doubling needs log2 N: for small tensors latency decides.",
        LECTURE + "7 What it costs",
    ),
}

BOUNDS = Bounds(seconds=10.0)


def _randn(rng: np.random.Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    if not dtype.is_floating_point:
        return torch.from_numpy(rng.integers(-500, 500, shape)).to(dtype)
    return torch.from_numpy(rng.standard_normal(shape)).to(dtype)


def _play(student: Student, function: Any, argss: Sequence[Sequence], **options: Any) -> tuple[list, Fabric]:
    """The ranks' results and what the fabric saw. Raises what a rank raised; a Mismatch where all wait for each
    other."""
    fabric = Fabric(len(argss), bounds=BOUNDS, **options)
    results = student.parallel(function, argss, fabric)
    for result in results:  # first: where one has raised, others may wait for it
        if isinstance(result, StudentError) and not isinstance(result, Deadlock):
            raise result
    if fabric.deadlock:
        waits = fabric.deadlock.split("; ")
        sending = all("to receive what it sent" in wait for wait in waits)
        raise Mismatch(f"no rank can go on: {fabric.deadlock}", "blocking-sends" if sending else None)
    return results, fabric


def _waited(fabric: Fabric) -> None:
    if fabric.unwaited:
        raise Mismatch(
            f"rank {min(fabric.unwaited)} never waited for something that it started: call .wait() on what isend and "
            "irecv return"
        )


def _all_near(results: list, wants: list, suspects: dict[str, list], what: str, **tolerance: Any) -> None:
    """`near` for every rank; a mistake is named when it explains all ranks."""
    problems = [
        difference(got, want, f"{what} on rank {rank}", tolerance.get("n", 1), tolerance.get("eps"), True)
        for rank, (got, want) in enumerate(zip(results, wants, strict=True))
    ]
    if not any(problems):
        return
    if len(results) > 1 and problems[0] is None and all(problems[1:]):
        raise Mismatch(problems[1], "only-rank-0")
    rank = next(r for r, problem in enumerate(problems) if problem)
    near(
        results[rank],
        wants[rank],
        suspects={name: answers[rank] for name, answers in suspects.items()},
        what=f"{what} on rank {rank}",
        **tolerance,
    )


def _thrifty(fabric: Fabric, inputs: Sequence[Tensor], scales: Sequence[float] = (1.0,), halves: int = 2) -> None:
    """Mismatch unless the messages were a ring's: its bytes, its steps, right-hand neighbours, partial sums."""
    world, size = fabric.world, inputs[0].numel()
    width = max(x.element_size() for x in inputs)
    bound = halves * (world - 1) * math.ceil(size / world) * width
    most = max(fabric.bytes_sent)
    strays = any(target != (source + 1) % world for source, target in fabric.links)
    if most > bound:
        whole = (
            all(
                m.payload.size == size if isinstance(m.payload, np.ndarray) else m.payload.numel() == size
                for m in fabric.log
            )
            and not strays
        )
        said = f"a rank sent {show_value(most)} bytes, and a ring needs {show_value(bound)} at most"
        raise Mismatch(said, "whole-tensors" if whole else None)
    if fabric.steps > halves * (world - 1):
        raise Mismatch(
            f"it took {show_value(fabric.steps)} steps one after the other, and a ring needs "
            f"{show_value(halves * (world - 1))}: in each step every rank's send and receive are under way at once"
        )
    if strays:
        raise Mismatch("a rank sent to another than its right-hand neighbour, rank + 1")
    seen = trace(fabric.log, inputs, scales)
    ended = [
        max((len(h.ranks) for h in seen.hops if h.ranks and h.message.target == r), default=0) for r in range(world)
    ]
    if seen.unexplained or min(ended) < world - 1 or (halves == 2 and not all(seen.reached)):
        raise Mismatch("the messages do not carry the partial sums that the result is made of")


# With the two halves of a right ring in the place of the student's, so that an error there costs its own points only.
RING = """
import torch

def kept(comm, function, x, *more):
    mine = list(x) if isinstance(x, list) else [x]
    before = [t.clone() for t in mine]
    result = function(comm, x, *more)
    same = all(map(torch.equal, mine, before))
    if more and result is x:
        raise ValueError("the argument itself came back: return a new tensor")
    return result, same

def pass_on(comm, chunk):
    sent = comm.isend(chunk, (comm.rank + 1) % comm.world)
    got = comm.recv((comm.rank - 1) % comm.world)
    sent.wait()
    return got

def reduce_scatter(comm, chunks):
    number = comm.rank
    total = chunks[number].clone()
    for _ in range(comm.world - 1):
        number = (number - 1) % comm.world
        total = chunks[number] + pass_on(comm, total)
    return total

def all_gather(comm, chunk):
    chunks, number = [None] * comm.world, (comm.rank + 1) % comm.world
    chunks[number] = chunk
    for _ in range(comm.world - 1):
        chunk, number = pass_on(comm, chunk), (number - 1) % comm.world
        chunks[number] = chunk
    return chunks
"""


def _unchanged(results: list, what: str) -> None:
    if not all(same for _, same in results):
        raise Mismatch(f"{what} after the call is not what it was before", "callers-buffer")


# ---- 1 reduce-scatter


@check("allreduce/reduce_scatter", points=4)
def reduce_scatter(student: Student, rng: np.random.Generator) -> None:
    """reduce_scatter(comm, chunks) -> the sum of all ranks' chunk number rank + 1."""
    kept = student.define(RING).kept

    def make(rng, world, lengths):
        return [[_randn(rng, n) for n in lengths] for _ in range(world)]

    def wants(inputs):
        world = len(inputs)
        return [sum(x[(r + 1) % world] for x in inputs) for r in range(world)]

    def off(inputs):
        world = len(inputs)
        return [
            Either(
                [inputs[r][(r + k) % world] for k in range(world)]
                + [sum(x[(r + k) % world] for x in inputs) for k in (0, 2)]
            )
            for r in range(world)
        ]

    def ask(inputs, unchanged=False, **options):
        results, fabric = _play(student, kept, [(student.reduce_scatter, x) for x in inputs], **options)
        suspects = {"chunk-off-by-one": off(inputs)} if len(inputs) > 2 else {}
        _all_near([r[0] for r in results], wants(inputs), suspects, "the chunk", n=len(inputs))
        if unchanged:
            _unchanged(results, "a chunk that was given")
        return fabric

    with case("two ranks and three ranks, chunks of one length; those given stay as they are", 1):
        for world in (3, 2):
            ask(make(rng, world, [7] * world), unchanged=True)
    with case("any number of ranks, chunks of different lengths, and one rank alone", 1):
        for world in (4, 5, 1):
            ask(make(rng, world, [6 + (i % 2) for i in range(world)]))
    with case("N-1 steps of one chunk each, to the right-hand neighbour", 1):
        world = int(rng.integers(4, 6))
        inputs = make(rng, world, [world + 2] * world)
        fabric = ask(inputs)
        _thrifty(fabric, [torch.cat(x) for x in inputs], halves=1)
    with case("no deadlock where a send waits for its receiver, in any order of events", 1):
        for slow in ((), (1,)):
            _waited(ask(make(rng, 3, [5] * 3), rng=rng, capacity=0, slow=slow))


# ---- 2 all-gather


@check("allreduce/all_gather", points=3)
def all_gather(student: Student, rng: np.random.Generator) -> None:
    """all_gather(comm, chunk) -> all chunks in the order of their numbers, where rank r starts with number r + 1."""

    def make(rng, world, lengths):
        return [_randn(rng, n) for n in lengths]  # by number

    def ask(chunks, **options):
        world = len(chunks)
        start = [(chunks[(r + 1) % world],) for r in range(world)]
        results, fabric = _play(student, student.all_gather, start, **options)
        rolled = [[chunks[(i + k) % world] for i in range(world)] for k in range(1, world)]
        suspects = {"place-off-by-one": [Either(rolled)] * world} if world > 2 else {}
        _all_near(results, [chunks] * world, suspects, "the list of chunks")
        return fabric

    with case("every rank ends with every chunk in its place", 1):
        for world in (3, 4, 2, 1):
            ask(make(rng, world, [5] * world))
    with case("chunks of different lengths, each sent once by each rank", 1):
        world = 5
        lengths = [3 + (i % 2) for i in range(world)]
        fabric = ask(make(rng, world, lengths))
        bound = 4 * (sum(lengths) - min(lengths))
        if max(fabric.bytes_sent) > bound or fabric.steps > world - 1:
            raise Mismatch(
                f"a rank sent {show_value(max(fabric.bytes_sent))} bytes in {show_value(fabric.steps)} steps; "
                f"{show_value(bound)} in {show_value(world - 1)} are enough"
            )
    with case("no deadlock where a send waits for its receiver", 1):
        _waited(ask(make(rng, 4, [4] * 4), rng=rng, capacity=0))


# ---- 3 the whole ring


@check("allreduce/allreduce", points=5)
def whole(student: Student, rng: np.random.Generator) -> None:
    """allreduce(comm, x, mean) -> sum or mean of all ranks' x, a new tensor; mean of integers in float64."""
    ring = student.define(RING)

    def total(inputs, mean):
        exact = sum(x.double() for x in inputs) if inputs[0].is_floating_point() else sum(inputs)
        if mean:
            exact = exact.double() / len(inputs)
        return exact.to(inputs[0].dtype) if inputs[0].is_floating_point() else exact

    def ask(inputs, mean=False, **options):
        """What the fabric saw, once the results are right."""
        world = len(inputs)
        right = total(inputs, mean)
        suspects: dict[str, list] = {}
        rest = inputs[0].numel() % world
        if rest and not mean:
            cut = [x.flatten()[-rest:] for x in inputs]
            head = right.flatten()[:-rest]
            suspects["rest-dropped"] = [
                Either([torch.cat([head, tail]).view(right.shape) for tail in (mine, torch.zeros_like(mine))] + [head])
                for mine in cut
            ]
        if mean:
            suspects["sum-for-mean"] = [total(inputs, False)] * world
            if not inputs[0].is_floating_point():
                floored = [torch.div(sum(inputs), world, rounding_mode=how) for how in ("floor", "trunc")]
                suspects["integer-mean"] = [Either(floored + [f.double() for f in floored])] * world
        with student.given(reduce_scatter=ring.reduce_scatter, all_gather=ring.all_gather):
            results, fabric = _play(student, ring.kept, [(student.allreduce, x, mean) for x in inputs], **options)
        eps = torch.finfo(inputs[0].dtype).eps if inputs[0].is_floating_point() else None
        answers = [r[0] for r in results]
        _all_near(answers, [right] * world, suspects, "the result", n=world, eps=eps)
        _unchanged(results, "the argument")
        return fabric

    with case("sum and mean over three ranks; the argument stays as it is", 1):
        for mean in (False, True):
            ask([_randn(rng, 9) for _ in range(3)], mean)
    with case("any shape and size: not a multiple of the world, smaller than it, empty; any world", 1):
        for world, shape in ((4, (11,)), (3, (4, 5)), (4, (3,)), (2, (0,)), (1, (5,)), (3, ())):
            ask([_randn(rng, *shape) for _ in range(world)])
    with case("fp16, and integers: their sum exactly, their mean in float64", 1):
        ask([_randn(rng, 8, dtype=torch.float16) for _ in range(4)], True)
        ints = [_randn(rng, 10, dtype=torch.int64) for _ in range(3)]
        ask(ints)
        ints, _ = draw(rng, lambda rng: tuple(_randn(rng, 10, dtype=torch.int64) for _ in range(3)), _means)
        ask(list(ints), True)
        ask([_randn(rng, 4, dtype=torch.int64)], True)
    with case("2(N-1) steps and 2(N-1)/N of the tensor's bytes a rank", 1):
        world = int(rng.integers(4, 6))
        for mean in (False, True):
            inputs = [_randn(rng, world * (world + 2)) for _ in range(world)]
            fabric = ask(inputs, mean)
            scales = (1.0, 1 / world) if mean else (1.0,)
            _thrifty(fabric, inputs, scales)
    with case("no deadlock in any order of events", 1):
        for slow in ((), (0,), (2,)):
            _waited(ask([_randn(rng, 13) for _ in range(4)], rng=rng, capacity=0, slow=slow))


def _means(*ints: Tensor) -> dict[str, Any]:
    exact = sum(ints).double() / len(ints)
    floored = [torch.div(sum(ints), len(ints), rounding_mode=how) for how in ("floor", "trunc")]
    return {
        "right": exact,
        "integer-mean": Either(floored + [f.double() for f in floored]),
        "sum-for-mean": Either([sum(ints), sum(ints).double()]),
    }


# ---- 4 a data-parallel step

# The given all-reduce sends everything to everyone: right, wasteful, and no answer to step 3.
TRIAL = """
import torch
from torch import nn

def plain_allreduce(comm, x, mean=False):
    others = [r for r in range(comm.world) if r != comm.rank]
    sends = [comm.isend(x, r) for r in others]
    parts = {comm.rank: x, **{r: comm.recv(r) for r in others}}
    for send in sends:
        send.wait()
    total = sum(parts[r] for r in range(comm.world))
    return total / comm.world if mean else total

def trial(comm, step, weights, batches, optimizer, options):
    layers = [nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights]
    model = nn.Sequential(layers[0], nn.Tanh(), layers[1])
    with torch.no_grad():
        for layer, w in zip(layers, weights):
            layer.weight.copy_(w)
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), **options)
    for x, y in batches:
        step(comm, model, nn.functional.cross_entropy, x, y, optimizer)
    return [p.detach() for p in model.parameters()]
"""
SGD = ("SGD", {"lr": 0.2, "momentum": 0.9})
ADAM = ("Adam", {"lr": 0.05})  # not linear in the gradients: with SGD, averaged parameters are averaged gradients


def _train(
    weights: list[Tensor], shards: list[list[tuple[Tensor, Tensor]]], optimizer: tuple, how: str
) -> list[Tensor]:
    """Weights after as many steps as a shard has batches, the ranks played one after the other. how: "right", or the
    name of a mistake."""
    name, options = optimizer
    ranks = [[nn.Parameter(w.clone()) for w in weights] for _ in shards]
    optimizers = [getattr(torch.optim, name)(r, **options) for r in ranks]
    for batches in zip(*shards, strict=True):
        rows = [len(x) for x, _ in batches]
        grads = [
            torch.autograd.grad(nn.functional.cross_entropy((x @ a.t()).tanh() @ b.t(), y), (a, b))
            for (a, b), (x, y) in zip(ranks, batches, strict=True)
        ]
        share = {
            "unequal-batches": [1 / len(rows)] * len(rows),
            "gradients-summed": [n * len(rows) / sum(rows) for n in rows],
        }.get(how, [n / sum(rows) for n in rows])
        mean = [sum(s * g[i] for s, g in zip(share, grads, strict=True)) for i in range(len(weights))]
        for params, stepper, own in zip(ranks, optimizers, grads, strict=True):
            for p, g in zip(params, own if how == "parameters-averaged" else mean, strict=True):
                p.grad = g.clone()
            stepper.step()
        if how == "parameters-averaged":
            with torch.no_grad():
                for same in zip(*ranks, strict=True):
                    average = sum(same) / len(same)
                    for p in same:
                        p.copy_(average)
    return [p.detach() for p in ranks[0]]


@check("allreduce/train_step", points=4)
def train_step(student: Student, rng: np.random.Generator) -> None:
    """train_step(comm, model, loss_fn, x, y, optimizer): one step on all ranks' rows, with one all-reduce."""
    given = student.define(TRIAL)
    inputs, hidden, outputs = 4, 6, 3
    within = {"n": 256, "eps": 2.0**-23}  # sums of up to 12 rows and 6 units, three steps, then a quotient and a root

    def classes(rng, n):
        return torch.from_numpy(rng.integers(0, outputs, n))

    def ask(rows, steps, optimizer, *mistakes):
        def make(rng):
            weights = [_randn(rng, hidden, inputs), _randn(rng, outputs, hidden)]
            return weights, [[(_randn(rng, n, inputs), classes(rng, n)) for _ in range(steps)] for n in rows]

        def answers(weights, parts):
            known = {how: _train(weights, parts, optimizer, how) for how in ("right", *mistakes)}
            return {**known, "no all-reduce": _train(weights, parts[:1], optimizer, "right")}

        (weights, parts), known = draw(rng, make, answers, **within)
        del known["no all-reduce"]  # has no name, and must not look like one that has
        right = known.pop("right")
        with student.given(allreduce=given.plain_allreduce):
            argss = [(student.train_step, weights, part, *optimizer) for part in parts]
            results, fabric = _play(student, given.trial, argss)
        world = len(rows)
        suspects = {name: [answer] * world for name, answer in known.items()}
        _all_near(results, [right] * world, suspects, "the list of weights", **within)
        return fabric

    with case("equal batches, SGD with momentum: one process's weights on every rank", 1):
        fabric = ask([4, 4, 4], 2, SGD, "gradients-summed")
        largest, all_of_them = max(m.payload.nbytes for m in fabric.log), 4 * hidden * (inputs + outputs)
        if largest < all_of_them:
            raise Mismatch(
                f"the largest message has {show_value(largest)} bytes, and all gradients together have "
                f"{show_value(all_of_them)}: put them into one tensor"
            )
    with case("equal batches, Adam: three steps give one process's weights", 1):
        ask([5, 5], 3, ADAM, "parameters-averaged")
    with case("unequal batches: every row counts alike", 2):
        ask([3, 7], 2, SGD, "unequal-batches", "gradients-summed")


# ---- 5 shards


def _alike(some: list[list[int]], others: list[list[int]]) -> bool:
    """Whether more than half of the rows follow the same row in both; in two random orders about one does."""
    one, other = ({pair for part in parts for pair in zip(part, part[1:], strict=False)} for parts in (some, others))
    return len(one & other) > len(one) / 2


@check("allreduce/shard", points=2)
def shard(student: Student, rng: np.random.Generator) -> None:
    """shard(size, rank, world, epoch, seed) -> this rank's row numbers: disjoint, shuffled, equally many."""
    world, each, seed = int(rng.integers(3, 6)), int(rng.integers(9, 15)), int(rng.integers(1000))
    size = world * each

    def ask(epoch, size=size, seed=seed):
        parts = [student.shard(size, rank, world, epoch, seed) for rank in range(world)]
        for rank, part in enumerate(parts):
            part = part.tolist() if isinstance(part, (Tensor, np.ndarray)) else part
            if not isinstance(part, (list, tuple)) or not all(type(i) is int for i in part):
                raise Mismatch(f"the shard of rank {rank} should be row numbers, a list or a tensor of integers")
            parts[rank] = list(part)
        return parts

    with case("the shards of one epoch are disjoint and hold every row", 1):
        parts = ask(0)
        lengths = sorted({len(p) for p in parts})
        if lengths != [each]:
            raise Mismatch(f"the shards should have {show_value(each)} rows each, and have {show_value(str(lengths))}")
        rows = sorted(i for part in parts for i in part)
        if rows != list(range(size)):
            proper = all(len(set(p)) == len(p) and set(p) <= set(range(size)) for p in parts)
            proper = proper and not any(_alike([a], [b]) for i, a in enumerate(parts) for b in parts[:i])
            raise Mismatch("some rows come twice and others never", "shuffled-apart" if proper else None)
        if any(part == sorted(part) for part in parts):
            raise Mismatch("the rows of a shard are in order: shuffle them")
    with case("epochs differ, the same epoch is the same again, and another seed is another order", 1):
        first, again, second, other = ask(0), ask(0), ask(1), ask(0, seed=seed + 1)
        if first != again:
            raise Mismatch("the same epoch and seed gave other rows the second time")
        if first == second:
            raise Mismatch("epoch 1 has the rows of epoch 0 in the same order", "epoch-forgotten")
        if set(first[0]) == set(second[0]):
            raise Mismatch("rank 0 has the same rows in epoch 1 as in epoch 0, in another order: shuffle all rows")
        if _alike(first, second):
            raise Mismatch("most rows of epoch 1 follow the same rows as in epoch 0: that is no new shuffle")
        if first == other:
            raise Mismatch("another seed gave the same order")


# ---- 6 costs


def _ring_seconds(world, bytes, alpha, beta):
    return allreduce.ring_seconds(int(world), float(bytes), allreduce.Cost(float(alpha), float(beta)))


@check("allreduce/cost", points=2)
def cost(student: Student, rng: np.random.Generator) -> None:
    """ring_seconds(world, bytes, alpha, beta) -> seconds; faster(world, bytes, alpha, beta) -> "ring" or "doubling"."""

    def make(rng):
        return (
            int(rng.integers(3, 40)),
            float(rng.integers(10**6, 10**8)),
            10 ** rng.uniform(-6, -4),
            10 ** rng.uniform(-10, -8),
        )

    def answers(world, bytes, alpha, beta):
        link = allreduce.Cost(alpha, beta)
        return {
            "right": allreduce.ring_seconds(world, bytes, link),
            "bytes-per-step": 2 * (world - 1) * (alpha + bytes * beta),
            "one-half-only": (world - 1) * (alpha + bytes / world * beta),
        }

    with case("seconds of a ring", 1):
        for _ in range(3):
            inputs, known = draw(rng, make, answers, n=4)
            near(student.ring_seconds(*inputs), known.pop("right"), suspects=known, what="the seconds", n=4)
        near(student.ring_seconds(1, 1e6, 1e-6, 1e-9), 0.0, what="the seconds of one rank")
    with case("which is faster, the ring or recursive doubling, on either side of the crossover", 1):
        for world in (4, int(2 ** rng.integers(3, 8))):
            link = allreduce.Cost(10 ** rng.uniform(-6, -4), 10 ** rng.uniform(-10, -8))
            size = allreduce.crossover_bytes(world, link)
            wants = {1.05: "ring", 0.25: "doubling", 4.0: "ring", 0.95: "doubling"}
            with student.given(ring_seconds=_ring_seconds):
                got = [student.faster(world, size * factor, link.alpha, link.beta) for factor in wants]
            always = {"ring-always": ["ring"] * len(wants)}
            near(got, list(wants.values()), suspects=always, what="the list of the faster ones, for four sizes")
