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
from quintet.checks.near import difference, keep_secret, plain
from quintet.student import Student, StudentError
from quintet.student.fabric import Bounds, Deadlock, Fabric, trace

LECTURE = "lecture 2.3 allreduce, section "
MISCONCEPTIONS = {
    "chunk-off-by-one": Misconception(
        "a chunk's number is off: the one that is returned was never finished, or it is another one",
        "In step s rank r sends number r - s. What arrives is what its left neighbour sent, and the chunk that is "
        "added to last is the one to return.",
        LECTURE + "3 Reduce-scatter",
    ),
    "place-off-by-one": Misconception(
        "all chunks are there, in other places than their numbers say",
        "Rank r starts with chunk number r + 1, and not with r as in reduce-scatter. Write down which one its left "
        "neighbour has.",
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
        "SGD is linear in the gradients, with momentum too, and there it comes to the same. Adam divides by the root "
        "of squared gradients: each rank divides by its own, and the mean of quotients is no quotient of means.",
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
    "own-step": Misconception(
        "each rank stepped with its own gradients",
        "What was exchanged came too late, or never got to where the optimizer looks: into .grad, before step().",
        LECTURE + "6 Data-parallel training",
    ),
    "stale-gradients": Misconception(
        "gradients of the step before were not cleared",
        "backward adds to what is in .grad: clear it first.",
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
        "All ranks must draw the same permutation and take different parts of it: from a seed of its own, which does "
        "not depend on the rank.",
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
        return torch.from_numpy(rng.integers(-(2**40), 2**40, shape)).to(dtype)  # beyond what fp32 holds exactly
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


def _carried(fabric: Fabric, inputs: Sequence[Tensor], needs: Sequence[slice], scales: Sequence[float]) -> None:
    """Mismatch unless each rank was sent a part of every other one's for all elements that it `needs`: ranks may share
    memory or files, and a result made of those is no work of the messages."""
    world, has = fabric.world, trace(fabric.log, inputs, scales).has
    if not all(has[r, :, needs[r]].all() for r in range(world)):
        raise Mismatch("the messages do not carry what the result is made of")


def _handed_on(fabric: Fabric, chunks: Sequence[Tensor]) -> None:
    """As `_carried`, for an all-gather: each rank was sent each chunk by one that had it."""
    world = fabric.world
    has = [{(rank + 1) % world} for rank in range(world)]
    sent: dict[int, set[int]] = {}
    events = [(m.order, m) for m in fabric.log] + [(m.received, m) for m in fabric.log if m.received is not None]
    for order, m in sorted(events, key=lambda event: event[0]):
        if order == m.order:
            flat = m.payload.reshape(-1)
            own = has[m.source]
            sent[order] = {k for k in own if not difference(flat[: len(chunks[k])], chunks[k], "", 1, None, False)}
        else:
            has[m.target] |= sent[m.order]
    if any(len(numbers) < world for numbers in has):
        raise Mismatch("the messages do not carry the chunks that the result is made of")


# What a rank runs in the place of the student's function: the argument as it is afterwards comes back too, and the
# result once more when the argument has been changed, which a new tensor does not feel.
KEPT = """
def kept(comm, function, x, *more):
    result = function(comm, x, *more)
    given = x if isinstance(x, list) else [x]
    after, before = [t.clone() for t in given], result.clone() if hasattr(result, "clone") else result
    for t in given:
        t += 1
    return before, after, result
"""

# A right ring, whose halves stand in the place of the student's in step 3, so that an error there costs its own points
# only. Not defined before: a rank could find it.
RING = """
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


def _unchanged(results: list, givens: Sequence[Sequence[Tensor]], what: str) -> None:
    for (before, after, result), given in zip(results, givens, strict=True):
        if difference(after, list(given), "", 1, None, True):
            raise Mismatch(f"{what} after the call is not what it was before", "callers-buffer")
        if difference(result, before, "", 1, None, True):
            raise Mismatch(f"the result changes with {what}: return a new tensor")


# ---- 1 reduce-scatter


@check("allreduce/reduce_scatter", points=4)
def reduce_scatter(student: Student, rng: np.random.Generator) -> None:
    """reduce_scatter(comm, chunks) -> the sum of all ranks' chunk number rank + 1."""
    kept = student.define(KEPT).kept

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
        world, ends = len(inputs), np.cumsum([0, *map(len, inputs[0])])
        needs = [slice(ends[(r + 1) % world], ends[(r + 1) % world + 1]) for r in range(world)]
        _carried(fabric, [torch.cat(x) for x in inputs], needs, (1.0,))
        if unchanged:
            _unchanged(results, inputs, "a chunk that was given")
        return fabric

    with case("two ranks and three ranks, chunks of one length; those given stay as they are", 1):
        for world in (3, 2):
            ask(make(rng, world, [7] * world), unchanged=True)
    with case("any number of ranks, chunks of different lengths, and one rank alone", 1):
        for world in (4, 5, 1):
            ask(make(rng, world, [6 + (i % 2) for i in range(world)]))
    with case("N-1 steps of one chunk each, to the right-hand neighbour", 1):
        for world in map(int, rng.choice([4, 5, 6], 2, replace=False)):
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
        _handed_on(fabric, chunks)
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
    ring, kept = student.define(RING), student.define(KEPT).kept

    def total(inputs, mean):
        exact = sum(x.double() for x in inputs) if inputs[0].is_floating_point() else sum(inputs)
        if mean:
            exact = exact.double() / len(inputs)
        return exact.to(inputs[0].dtype) if inputs[0].is_floating_point() else exact

    def ask(inputs, mean=False, unchanged=False, **options):
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
            results, fabric = _play(student, kept, [(student.allreduce, x, mean) for x in inputs], **options)
        eps = torch.finfo(inputs[0].dtype).eps if inputs[0].is_floating_point() else None
        answers = [r[0] for r in results]
        _all_near(answers, [right] * world, suspects, "the result", n=world, eps=eps)
        if eps:
            scales = (1.0, 1 / world) if mean else (1.0,)
            _carried(fabric, [x.flatten() for x in inputs], [slice(None)] * world, scales)
        if unchanged:
            _unchanged(results, [[x] for x in inputs], "the argument")
        return fabric

    with case("sum and mean over three ranks; the argument stays as it is", 1):
        for mean in (False, True):
            ask([_randn(rng, 9) for _ in range(3)], mean, unchanged=True)
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
        for mean, world in zip((False, True), map(int, rng.choice([4, 5, 6], 2, replace=False)), strict=True):
            size = world * (world + 2) + int(rng.integers(world))
            inputs = [_randn(rng, size) for _ in range(world)]
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
    (hidden, inputs), outputs = weights[0].shape, len(weights[-1])
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights):
            p.copy_(w)
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), **options)
    for x, y in batches:
        step(comm, model, nn.functional.cross_entropy, x, y, optimizer)
    return [p.detach() for p in model.parameters()]
"""
SGD = ("SGD", {"lr": 0.2, "momentum": 0.9})
ADAM = ("Adam", {"lr": 0.05})  # not linear in the gradients: with SGD, averaged parameters are averaged gradients
Batch = tuple[Tensor, Tensor]


def _gradients(params: Sequence[Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    a, b, c, d = params
    return torch.autograd.grad(nn.functional.cross_entropy((x @ a.t() + b).tanh() @ c.t() + d, y), (a, b, c, d))


def _train(weights: list[Tensor], shards: list[list[Batch]], optimizer: tuple, how: str) -> list[list[Tensor]]:
    """Each rank's weights after as many steps as a shard has batches, the ranks played one after the other. how:
    "right", or the name of a mistake."""
    name, options = optimizer
    ranks = [[nn.Parameter(w.clone()) for w in weights] for _ in shards]
    optimizers = [getattr(torch.optim, name)(r, **options) for r in ranks]
    stale = [torch.zeros_like(w) for w in weights]
    for batches in zip(*shards, strict=True):
        rows = [len(x) for x, _ in batches]
        grads = [_gradients(params, x, y) for params, (x, y) in zip(ranks, batches, strict=True)]
        share = {
            "unequal-batches": [1 / len(rows)] * len(rows),
            "gradients-summed": [n * len(rows) / sum(rows) for n in rows],
        }.get(how, [n / sum(rows) for n in rows])
        mean = [sum(s * g for s, g in zip(share, of_all, strict=True)) for of_all in zip(*grads, strict=True)]
        if how == "stale-gradients":
            stale = mean = [old + new for old, new in zip(stale, mean, strict=True)]
        for params, stepper, own in zip(ranks, optimizers, grads, strict=True):
            for p, g in zip(params, own if how in ("parameters-averaged", "own-step") else mean, strict=True):
                p.grad = g.clone()
            stepper.step()
        if how == "parameters-averaged":
            with torch.no_grad():
                for same in zip(*ranks, strict=True):
                    average = sum(same) / len(same)
                    for p in same:
                        p.copy_(average)
    return [[p.detach() for p in r] for r in ranks]


def _holds(payload: Tensor | np.ndarray, part: Tensor) -> bool:
    """Whether a multiple of the numbers of `part` stands in a message, one after the other."""
    flat = payload if isinstance(payload, Tensor) else torch.from_numpy(payload.astype(np.float64))
    flat, part = flat.flatten().double(), part.flatten().double()
    if len(flat) < len(part):
        return False
    along = nn.functional.cosine_similarity(flat.unfold(0, len(part), 1), part[None], dim=1)
    return bool((along > 1 - 1e-6).any())


@check("allreduce/train_step", points=4)
def train_step(student: Student, rng: np.random.Generator) -> None:
    """train_step(comm, model, loss_fn, x, y, optimizer): one step on all ranks' rows, with one all-reduce."""
    given = student.define(TRIAL)
    inputs, hidden, outputs = 4, 6, 3
    within = {"n": 256, "eps": 2.0**-23}  # sums of up to 12 rows and 6 units, three steps, then a quotient and a root

    def ask(rows, steps, optimizer, *mistakes):
        def batch(rng, n):
            return _randn(rng, n, inputs), torch.from_numpy(rng.integers(0, outputs, n))

        def make(rng):
            shapes = (hidden, inputs), (hidden,), (outputs, hidden), (outputs,)
            return [_randn(rng, *s) for s in shapes], [[batch(rng, n) for _ in range(steps)] for n in rows]

        def answers(weights, parts):
            names = ("right", "own-step", "stale-gradients", *mistakes)
            return {how: _train(weights, parts, optimizer, how) for how in names}

        (weights, parts), known = draw(rng, make, answers, **within)
        right = known.pop("right")
        with student.given(allreduce=given.plain_allreduce):
            argss = [(student.train_step, weights, part, *optimizer) for part in parts]
            results, fabric = _play(student, given.trial, argss)
        _all_near(results, right, known, "the list of weights", **within)
        for rank, ((x, y), *_) in enumerate(parts):
            grads = _gradients([w.clone().requires_grad_() for w in weights], x, y)
            sent = [m.payload for m in fabric.log if m.source == rank]
            if not any(all(_holds(payload, g) for g in grads) for payload in sent):
                raise Mismatch(
                    f"no message of rank {rank} carries all of its own gradients: put them into one tensor and call "
                    "allreduce with it (the check's, which sends it as it is)"
                )

    with case("equal batches, SGD with momentum: one process's weights on every rank", 1):
        ask([int(rng.integers(3, 9))] * 3, 2, SGD, "gradients-summed")
    with case("equal batches, Adam: three steps give one process's weights", 1):
        ask([int(rng.integers(3, 9))] * 2, 3, ADAM, "parameters-averaged")
    with case("unequal batches: every row counts alike", 2):
        rows = [3, 3, 3]
        while len(set(rows)) < 3 or sum(rows) % 3 == 0:  # their mean is no integer
            rows = rng.integers(2, 10, 3).tolist()
        ask(rows, 2, SGD, "unequal-batches", "gradients-summed")


# ---- 5 shards

# Each rank asks in its own process, as real ones do; what it draws from a global generator differs from the others' and
# from call to call.
APART = """
import random
import numpy
import torch

def stir():
    random.random(), numpy.random.rand(), torch.rand(1)

def apart(comm, function, *args):
    for _ in range(comm.rank):
        stir()
    return list(function(*args))
"""


def _alike(some: list[list[int]], others: list[list[int]]) -> bool:
    """Whether more than half of the rows follow the same row in both; in two random orders about one does."""
    one, other = ({pair for part in parts for pair in zip(part, part[1:], strict=False)} for parts in (some, others))
    return len(one & other) > len(one) / 2


@check("allreduce/shard", points=2)
def shard(student: Student, rng: np.random.Generator) -> None:
    """shard(size, rank, world, epoch, seed) -> this rank's row numbers: disjoint, shuffled, equally many."""
    world, each, seed = int(rng.integers(3, 6)), int(rng.integers(9, 15)), int(rng.integers(1000))
    size, given = world * each, student.define(APART)

    def ask(epoch, seed=seed):
        given.stir()
        argss = [(student.shard, size, rank, world, epoch, seed) for rank in range(world)]
        parts = [[plain(i) for i in part] for part in _play(student, given.apart, argss)[0]]
        for rank, part in enumerate(parts):
            if not all(type(i) is int for i in part):
                raise Mismatch(f"the shard of rank {rank} should be row numbers: integers in a list or a tensor")
            if not set(part) <= set(range(size)):
                raise Mismatch(f"the shard of rank {rank} has numbers that are none of 0 … size - 1")
            if len(part) != each:
                said = f"the shard of rank {rank} has {show_value(len(part))} rows, and size // world is"
                raise Mismatch(f"{said} {show_value(each)}")
        return parts

    with case("the shards of one epoch are disjoint and hold every row", 1):
        parts = ask(int(rng.integers(50)))
        if sorted(i for part in parts for i in part) != list(range(size)):
            proper = all(len(set(p)) == len(p) for p in parts)
            proper = proper and not any(_alike([a], [b]) for i, a in enumerate(parts) for b in parts[:i])
            raise Mismatch("some rows come twice and others never", "shuffled-apart" if proper else None)
        if any(part in (sorted(part), sorted(part, reverse=True)) for part in parts):
            raise Mismatch("the rows of a shard are in order: shuffle them")
    with case("epochs differ, the same epoch is the same again, and another seed is another order", 1):
        one, two = (int(epoch) for epoch in rng.choice(50, 2, replace=False))
        first, again, second, other = ask(one), ask(one), ask(two), ask(one, seed + int(rng.integers(1, 50)))
        if first != again:
            raise Mismatch("the same epoch and seed gave other rows the second time: draw from a generator with a seed")
        if first == second:
            raise Mismatch("two epochs have the same rows in the same order", "epoch-forgotten")
        if any(set(a) == set(b) for a in first for b in second):
            raise Mismatch("the rows of a shard stay together from epoch to epoch: shuffle all rows, then cut")
        if _alike(first, second):
            raise Mismatch("most rows follow the same rows as in another epoch: that is no new shuffle")
        if first == other:
            raise Mismatch(f"another seed gave the same order in epoch {show_value(one)}")


# ---- 6 costs


def _ring_seconds(world, bytes, alpha, beta):
    return allreduce.ring_seconds(int(world), float(bytes), allreduce.Cost(float(alpha), float(beta)))


@check("allreduce/cost", points=2)
def cost(student: Student, rng: np.random.Generator) -> None:
    """ring_seconds(world, bytes, alpha, beta) -> seconds; faster(world, bytes, alpha, beta) -> "ring" or "doubling"."""

    def make(rng):
        return (
            int(rng.integers(2, 40)),
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

    def told(*inputs):
        """The question, where it may be told."""
        names = "(world, bytes, alpha, beta)"
        return "" if keep_secret.get() else " for {} = ({}, {:.6g}, {:.6g}, {:.6g})".format(names, *inputs)

    with case("seconds of a ring", 1):
        for _ in range(3):
            inputs, known = draw(rng, make, answers, n=4)
            what = f"ring_seconds{told(*inputs)}"
            near(student.ring_seconds(*inputs), known.pop("right"), suspects=known, what=what, n=4)
        near(student.ring_seconds(1, 1e6, 1e-6, 1e-9), 0.0, what="ring_seconds of one rank")
    with case("which is faster, the ring or recursive doubling, on either side of the crossover", 1):
        for world in (4, int(2 ** rng.integers(3, 8))):
            link = allreduce.Cost(10 ** rng.uniform(-6, -4), 10 ** rng.uniform(-10, -8))
            size = allreduce.crossover_bytes(world, link)
            factors = [float(f) for f in rng.permutation([0.001, 0.25, 0.95, 1.05, 4.0, *rng.choice([0.9, 1.1], 3)])]
            wants = ["ring" if factor > 1 else "doubling" for factor in factors]
            with student.given(ring_seconds=_ring_seconds):
                got = [student.faster(world, size * factor, link.alpha, link.beta) for factor in factors]
            wrong = next((f for f, g, want in zip(factors, got, wants, strict=True) if g != want), 1.0)
            what = f"the list of the faster ones of eight sizes{told(world, size * wrong, link.alpha, link.beta)}"
            always = {"ring-always": ["ring"] * len(wants)}
            near(got, wants, suspects=always, what=what)
