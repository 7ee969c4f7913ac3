"""What lab 5.1 asks: a slow copy of an encoder, a queue of keys, logits with labels, a whole step of MoCo, the loss of
v3, and a probe.

Encoders and queues live on the student's side. A queue's keys and a query's logits are compared whatever their order:
where a key lies, and in which column the positive stands, is free.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quintet.checks import ANY, Either, Misconception, Mismatch, asking, case, check, draw, near
from quintet.checks.near import difference
from quintet.student import Student, StudentError

LECTURE = "lecture 5.1 moco, section "
MISCONCEPTIONS = {
    "key-not-a-copy": Misconception(
        "the key encoder is not a copy: it shares weights or buffers with the query encoder",
        "Then it moves with every step of the optimizer, and there is no slow encoder at all. Assigning a module, or a "
        "shallow copy of it, gives a second name for the same tensors.",
        LECTURE + "4 The slow key encoder",
    ),
    "key-in-eval-mode": Misconception(
        "the key encoder ran in eval mode",
        "Slow and without gradients, it is a network in training all the same: in train mode batch norm normalises "
        "keys by their own batch, as queries. Its running statistics lag behind, and keys made by them do not fit.",
        LECTURE + "4 The slow key encoder",
    ),
    "views-in-one-batch": Misconception(
        "several views went through an encoder in one batch",
        "Batch norm then mixes the views: each is normalised by the others too. Every view goes through by itself.",
        LECTURE + "6 The leak through batch norm",
    ),
    "gradient-into-key": Misconception(
        "a gradient reaches the key encoder, or its weights have become part of a graph",
        "Only the momentum update may move it. With a gradient the keys are pulled as fast as the queries, the keys in "
        "the queue no longer fit, and memory is spent on a backward pass that nothing needs.",
        LECTURE + "5 One step",
    ),
    "m-swapped": Misconception(
        "m and 1 - m were swapped",
        "m is the share of the key encoder that stays. With 0.999 in the wrong place it becomes a copy of the query "
        "encoder at every step.",
        LECTURE + "4 The slow key encoder",
    ),
    "buffers-averaged": Misconception(
        "buffers were averaged or copied too",
        "Batch norm's running statistics are no parameters: the key encoder makes its own from its own inputs, and a "
        "count of batches has no mean. Go over parameters(), not over the state_dict.",
        LECTURE + "4 The slow key encoder",
    ),
    "queue-not-normalised": Misconception(
        "keys are kept in the queue at the length that they came with",
        "A logit is a cosine over the temperature: a long key is a strong negative for every query, whatever it shows.",
        LECTURE + "3 The queue",
    ),
    "queue-holds-graph": Misconception(
        "the queue keeps the graph of its keys, or parameters that ask for a gradient",
        "Each key then keeps the activations of its batch, and backward walks into steps that are long over. Keys are "
        "data: detach them.",
        LECTURE + "3 The queue",
    ),
    "pointer-wrap": Misconception(
        "a batch that does not fit before the queue's end was cut, refused or put in the wrong place",
        "What does not fit goes on at the first row: row (pointer + i) mod size, and the pointer is taken modulo the "
        "size too.",
        LECTURE + "3 The queue",
    ),
    "queue-not-saved": Misconception(
        "the state_dict does not bring the queue back: its keys, their number or its place are missing",
        "A training that is continued then starts with an empty queue, or overwrites its newest keys. Tensors in plain "
        "attributes are not saved: register buffers.",
        LECTURE + "3 The queue",
    ),
    "not-unit-length": Misconception(
        "vectors were compared without bringing both to unit length",
        "A product of long vectors is large whatever their directions. Cosines compare directions: divide each row by "
        "its length.",
        LECTURE + "2 InfoNCE",
    ),
    "temperature-multiplied": Misconception(
        "the cosines were multiplied by the temperature, not divided by it",
        "A small temperature shall stretch the differences. Multiplied, all logits are nearly equal, and the loss "
        "stays near the logarithm of their number.",
        LECTURE + "2 InfoNCE",
    ),
    "current-keys-as-negatives": Misconception(
        "keys of this batch are among the negatives",
        "Here the negatives are keys of earlier batches only. With this batch in the queue before the loss is "
        "computed, a query is pushed away from the very key that it is drawn to.",
        LECTURE + "3 The queue",
    ),
    "labels-misplaced": Misconception(
        "the labels do not say in which column the positive stands",
        "Cross-entropy draws a query to the column that its label names. With the positive in front of the negatives "
        "that is column 0 for every row; among the keys of a batch it is column i for row i.",
        LECTURE + "2 InfoNCE",
    ),
    "key-moved-before-step": Misconception(
        "the key encoder was moved before the optimizer's step",
        "Differs from this specification, in which it follows the new query encoder. The paper's code moves it at the "
        "start of the next step, before the keys are computed: over a training that is the same sequence of weights.",
        LECTURE + "5 One step",
    ),
    "one-direction": Misconception(
        "each pair of views was counted in one direction only",
        "The loss is symmetric: each view is a query for the keys of all others. Half the terms give half the "
        "gradient, from the same forward passes.",
        LECTURE + "9 MoCo v3",
    ),
    "own-view-as-positive": Misconception(
        "a query was compared with the key of its own view",
        "Telling a picture from others by the same pixels is no task. A query belongs to the key of another view.",
        LECTURE + "9 MoCo v3",
    ),
    "predictor-on-keys": Misconception(
        "the keys went through the predictor",
        "It belongs to the queries alone: predictor(query(x)) is compared with key(x).",
        LECTURE + "9 MoCo v3",
    ),
    "two-tau-forgotten": Misconception(
        "the factor 2τ is missing",
        "Cross-entropy's gradient grows with 1/τ. Algorithm 1 of the paper multiplies by 2τ, so that a learning rate "
        "that was found for one temperature fits another.",
        LECTURE + "9 MoCo v3",
    ),
    "probe-in-train-mode": Misconception(
        "the encoder was in train mode",
        "Batch norm then uses the statistics of whatever rows come together, and moves its running ones: a picture's "
        "features depend on its neighbours, and probing changes the encoder.",
        LECTURE + "7 Probes",
    ),
    "modes-not-restored": Misconception(
        "the parts of the encoder are not in the modes in which they were",
        "A training that goes on in eval mode uses frozen statistics; a part that was frozen on purpose must not be "
        "switched on. Note each part's mode first, and put it back.",
        LECTURE + "7 Probes",
    ),
}


def _temperature(rng: np.random.Generator) -> float:
    """Far from 1, where dividing and multiplying are the same, and from 1/2, where 2τ is 1."""
    return float(rng.choice([rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.3), rng.uniform(1.4, 2.0)]))


def _momentum(rng: np.random.Generator) -> float:
    """Far from 1/2, on either side of it: then m and 1 - m cannot be taken for each other."""
    return float(rng.choice([rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.4)]))


# ---- 1 a slow copy

# An encoder whose parameters have several shapes, one of them frozen and one that belongs to no layer, with buffers of
# batch norm, numbers and a count, and one of its own. norm: whether it has buffers. Of torch's own classes, so that it
# can be pickled too.
ENCODER = """
from collections import OrderedDict
import torch
from torch import nn

def new(inputs, hidden, dim, norm=True):
    parts = OrderedDict(body=nn.Linear(inputs, hidden), norm=nn.BatchNorm1d(hidden) if norm else nn.Identity())
    net = nn.Sequential(OrderedDict(**parts, bend=nn.PReLU(hidden), head=nn.Linear(hidden, dim)))
    net.head.bias.requires_grad_(False)
    net.register_parameter("shift", nn.Parameter(torch.zeros(3)))
    if norm:
        net.register_buffer("centre", torch.zeros(3))
    return net

def encoder(sizes, norm, state, frozen):
    net = new(*sizes, norm).to(next(iter(state.values())).dtype)
    net.load_state_dict(state)
    return net.requires_grad_(False) if frozen else net

def update(momentum_update, query, key, ms):
    before = list(key.parameters())
    for m in ms:
        momentum_update(query, key, m)
    after = list(key.parameters())
    return len(before) == len(after) and all(a is b for a, b in zip(before, after))

def asks(net):
    return [p.requires_grad for p in net.parameters()]

def prepared(net, training):
    net.train(training)
    for p in net.parameters():
        p.grad = torch.ones_like(p)

def left(net):
    return [net.training, all(p.grad is not None and bool((p.grad == 1).all()) for p in net.parameters())]

def disturb(net):
    with torch.no_grad():
        for t in (*net.parameters(), *net.buffers()):
            t.add_(1)

def outputs(net, x):
    training = net.training
    with torch.no_grad():
        y = net.eval()(x)
    net.train(training)
    return y
"""
_here: dict = {"__name__": __name__}
exec(ENCODER, _here)


def _state(
    rng: np.random.Generator,
    sizes: Sequence[int],
    norm: bool = True,
    dtype: torch.dtype = torch.float32,
    of: Callable = lambda *sizes: _here["new"](*sizes),
) -> dict:
    """A random state for such an encoder, or for another whose batch norm is called norm."""
    net = of(*sizes) if norm else _here["new"](*sizes, False)
    state = {k: asking.normal(rng, *v.shape).to(dtype) for k, v in net.state_dict().items()}
    if norm:
        state["norm.running_var"] = state["norm.running_var"].square() + 0.3
        state["norm.num_batches_tracked"] = torch.tensor(int(rng.integers(10, 1000)))
    return state


def _is_parameter(name: str) -> bool:
    return name not in ("centre", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked")


@check("moco/momentum", points=3)
def momentum(student: Student, rng: np.random.Generator) -> None:
    """key_encoder(query) -> a copy without gradients; momentum_update(query, key, m) moves key's parameters."""
    given = student.define(ENCODER)
    within = {"n": 3, "eps": 2.0**-23}  # θ_k + (1 - m)(θ_q - θ_k) is as right

    with case("a copy of the query encoder that shares nothing with it and takes no gradient", 1):
        for dtype in (torch.float32, torch.float64):
            sizes = asking.sizes(rng, 3)
            state, x = _state(rng, sizes, dtype=dtype), asking.normal(rng, 4, sizes[0]).to(dtype)
            query = given.encoder(sizes, True, state, False)
            training = bool(rng.integers(2)) if dtype == torch.float64 else True
            given.prepared(query, training)
            before, want = given.asks(query), given.outputs(query, x)
            key = student.key_encoder(query)
            if given.left(query) != [training, True]:
                raise Mismatch("the query encoder changed: its mode, or the gradients that its parameters held")
            if student.at(key, "training") is not training:
                raise Mismatch("the key encoder is in another mode (train or eval) than the query encoder")
            near(student.state(key), state, what="the key encoder's state")
            near(given.outputs(key, x), want, what="the key encoder's output", n=9)
            given.disturb(query)
            moved = difference(student.state(key), state, "", 1, None, True)
            if moved or difference(given.outputs(key, x), want, "", 9, None, True):
                raise Mismatch("the key encoder changed when the query encoder was changed", "key-not-a-copy")
            if True in given.asks(key):
                raise Mismatch("parameters of the key encoder ask for a gradient", "gradient-into-key")
            if given.asks(query) != before:
                raise Mismatch("other parameters of the query encoder ask for a gradient than before")

    def make(norm=True, dtype=torch.float32):
        def inputs(rng):
            sizes = asking.sizes(rng, 3)
            return sizes, norm, _state(rng, sizes, norm, dtype), _state(rng, sizes, norm, dtype), _momentum(rng)

        return inputs

    def mixed(q, k, m, buffers=lambda q, k: k):
        return {n: m * k[n] + (1 - m) * q[n] if _is_parameter(n) else buffers(q[n], k[n]) for n in k}

    def answers(sizes, norm, q, k, m):
        def average(m):
            return lambda a, b: m * b + (1 - m) * a if b.is_floating_point() else ANY

        def taken(a, b):
            return a if b.is_floating_point() else ANY

        def counted(a, b):
            return b if b.is_floating_point() else a

        swapped = [mixed(q, k, 1 - m)] + [mixed(q, k, 1 - m, buffers) for buffers in (average(1 - m), taken)] * norm
        known = {"right": mixed(q, k, m), "m-swapped": Either(swapped)}
        if norm:
            known["buffers-averaged"] = Either(mixed(q, k, m, buffers) for buffers in (average(m), taken, counted))
        return known

    def updated(sizes, norm, q, k, *ms):
        """The states of both after updates with each of `ms`."""
        query, key = given.encoder(sizes, norm, q, False), given.encoder(sizes, norm, k, True)
        before = given.asks(query)
        if given.update(student.momentum_update, query, key, list(ms)) is not True:
            raise Mismatch("the update put other parameters into the key encoder: change those that it has, in place")
        if True in given.asks(key):
            raise Mismatch("after the update the key encoder's parameters are part of a graph", "gradient-into-key")
        if given.asks(query) != before:
            raise Mismatch("other parameters of the query encoder ask for a gradient than before")
        near(student.state(query), q, what="the query encoder's state, which stays as it is,")
        return student.state(key)

    with case("one update: parameters of every shape move, buffers and the query encoder stay", 1):
        for dtype in (torch.float32, torch.float64):
            inputs, known = draw(rng, make(dtype=dtype), answers, **within)
            try:
                got = updated(*inputs)
            except StudentError as error:
                if error.kind == "RuntimeError" and _right_without_buffers(updated, draw(rng, make(False), answers)):
                    said = "the update fails where the encoder has buffers, whole numbers among them"
                    raise Mismatch(said, "buffers-averaged") from None
                raise
            near(got, known.pop("right"), suspects=known, what="the key encoder's state", **within)
    with case("several updates on end; m = 0 takes the query's parameters, m = 1 keeps the key's", 1):
        for ms in ([_momentum(rng) for _ in range(3)], [0.0], [1.0], [1.0, 0.0]):
            sizes, norm, q, k, _ = make()(rng)
            right, swapped = k, k
            for m in ms:
                right, swapped = mixed(q, right, m), mixed(q, swapped, 1 - m)
            suspects = {"m-swapped": swapped} if difference(swapped, right, "", 3, None, True) else {}
            what = "the key encoder's state after updates with the same query encoder"
            near(updated(sizes, norm, q, k, *ms), right, suspects=suspects, what=what, **within)


def _right_without_buffers(updated: Callable, question: tuple) -> bool:
    inputs, known = question
    try:
        return difference(updated(*inputs), known["right"], "", 3, None, True) is None
    except (StudentError, Mismatch):
        return False


# ---- 2 the queue

QUEUES = """
import collections
import copy
import torch

def graph_of(queue):
    def asks(x):
        if isinstance(x, torch.Tensor):
            return x.requires_grad
        if isinstance(x, dict):
            return any(map(asks, x.values()))
        return isinstance(x, (list, tuple, collections.deque)) and any(map(asks, x))

    return bool(queue.negatives().requires_grad) or any(asks(vars(part)) for part in queue.modules())

def enqueue_with_graph(queue, k):
    queue.enqueue(k.requires_grad_() * 1.0)

def loaded(new, queue):
    new.load_state_dict(copy.deepcopy(queue.state_dict()))
    return new
"""


def _ordered_like(got: Any, want: Tensor) -> Any:
    """The rows of `got` in the order of `want`'s nearest ones, where both are of one shape."""
    if isinstance(got, np.ndarray) and got.dtype.kind == "f":
        got = torch.from_numpy(np.ascontiguousarray(got))
    if not isinstance(got, Tensor) or got.shape != want.shape or not got.is_floating_point() or not len(want):
        return got
    return got[torch.cdist(want.double(), got.double(), compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)]


def _holds(
    got: Any,
    want: Tensor,
    what: str,
    suspects: Mapping[str, Sequence[Tensor]] | None = None,
    eps: float | None = None,
) -> None:
    """`near`, whatever the order of the rows."""
    if problem := _otherwise(got, want, what, eps):
        named = [k for k, answers in (suspects or {}).items() if not all(_otherwise(got, a) for a in answers)]
        raise Mismatch(problem, named[0] if len(named) == 1 else None)


def _otherwise(got: Any, want: Tensor, what: str = "", eps: float | None = None) -> str | None:
    """How `got` differs from `want` in whatever order of its rows; None where it does not."""
    return difference(_ordered_like(got, want), want, what, want.shape[1], eps, True)


def _wrapped_wrongly(batches: Sequence[Tensor], size: int) -> list[Tensor]:
    """What a full queue holds in whose last batch the rows beyond the end went wrong, in several ways."""
    last, before = batches[-1], torch.cat(list(batches[:-1]))
    rows = torch.empty(size, before.shape[1])
    for i, key in enumerate(before):
        rows[i % size] = key
    start, n = len(before) % size, len(last)
    fits = size - start
    assert 0 < fits < n < size

    def with_rows(where, keys):
        changed = rows.clone()
        changed[where] = keys
        return changed

    return [
        rows,  # refused
        with_rows(slice(start, size), last[:fits]),  # cut off
        with_rows(slice(start, size), last[-fits:]),
        with_rows(slice(0, n), last),  # begun at the front
        with_rows(slice(size - n, size), last),  # moved back until it fits
        with_rows(slice(start, size), torch.cat([last[: fits - 1], last[-1:]])),  # the last row over and over
        torch.cat([last[: n - fits], with_rows(slice(start, size), last[:fits])[n - fits :]]),  # the front of it twice
    ]


@check("moco/queue", points=4)
def queue(student: Student, rng: np.random.Generator) -> None:
    """Queue(size, dim): enqueue(k) keeps the last `size` keys at unit length; negatives() gives those there are."""
    given = student.define(QUEUES)

    def units(n, dim):
        return asking.unit(asking.normal(rng, n, dim))

    def after(batches, size):
        return torch.cat(batches)[-size:]

    def asked(new, batch):
        try:
            new.enqueue(batch)
        except StudentError as error:
            if error.kind == "AssertionError":  # as in the paper's code: the size should divide
                raise Mismatch(f"a batch of {len(batch)} keys was refused", "pointer-wrap") from None
            raise
        return new.negatives()

    with case("keys come back at unit length, as many as have come, without a graph", 1):
        for _ in range(2):
            first, second, dim = asking.sizes(rng, 3)
            size = first + second
            new = student.Queue(size, dim)
            got = new.negatives()
            if isinstance(got, Tensor | np.ndarray) and got.ndim == 2 and len(got):
                said = "negatives() gives rows although no key has come. Random keys to start with, as in the paper's "
                raise Mismatch(said + "code, differ from this specification: give the keys that have come")
            near(got, torch.zeros(0, dim), what="negatives() of a new queue")
            batches = [asking.rows(rng, n, dim) for n in (first, second)]
            for n in (1, 2):
                raw = torch.cat(batches[:n])
                suspects = {"queue-not-normalised": [raw]}
                _holds(asked(new, batches[n - 1]), asking.unit(raw), "what the queue holds", suspects)
            if given.graph_of(new) is not False:
                raise Mismatch("the queue has parameters that ask for a gradient", "queue-holds-graph")
            given.enqueue_with_graph(new, asking.rows(rng, first, dim))
            if given.graph_of(new) is not False:
                raise Mismatch("the keys that the queue holds have a graph", "queue-holds-graph")
            asking.unchanged(student, new.enqueue, asking.rows(rng, second, dim))
    with case("the oldest go first, also where a batch does not fit before the end, or is larger than the queue", 2):
        for _ in range(2):  # full to the brim; then a batch that fits, then one that does not
            size, dim = int(rng.integers(7, 12)), int(rng.integers(3, 7))
            whole, some = int(rng.integers(2, size - 1)), int(rng.integers(3, size - 2))
            more = int(rng.integers(size - some + 1, size))
            batches, new = [units(n, dim) for n in (whole, size - whole, some, more)], student.Queue(size, dim)
            for n in (1, 2, 3):
                _holds(asked(new, batches[n - 1]), after(batches[:n], size), "what the queue holds")
            wrong = [w for w in _wrapped_wrongly(batches, size) if _otherwise(w, after(batches, size))]
            what = "what the queue holds after a batch that does not fit before its end"
            try:
                got = asked(new, batches[3])
            except StudentError as error:
                if error.kind in ("RuntimeError", "IndexError", "ValueError", "AssertionError"):
                    raise Mismatch("a batch that does not fit before the end was refused", "pointer-wrap") from None
                raise
            _holds(got, after(batches, size), what, {"pointer-wrap": wrong})
            _holds(asked(new, last := units(1, dim)), after([*batches, last], size), what + " and one more key")
        for size in (int(rng.integers(4, 8)), 1):
            new, batches = student.Queue(size, 4), []
            large = [2 * size + int(rng.integers(1, 4)), size + 1, size]
            for n in (*large, *rng.integers(1, size + 3, 8).tolist()):
                batches.append(units(n, 4))
                got = asked(new, batches[-1])
                _holds(got, after(batches, size), "what the queue holds after batches of many sizes")
    with case("the state_dict holds all: a new queue that loads it goes on as the old one would", 1):
        for extra in (int(rng.integers(2, 4)), -2):
            size, dim = int(rng.integers(6, 10)), int(rng.integers(3, 7))
            keys, old = [units(1, dim) for _ in range(size + extra)], student.Queue(size, dim)
            for key in keys:  # one by one, so that each fits
                old.enqueue(key)
            _holds(old.negatives(), after(keys, size), "what the queue holds after single keys")
            new = given.loaded(student.Queue(size, dim), old)
            for what in ("what the new queue holds", "what it holds after one more key", "and after another"):
                if _otherwise(new.negatives(), after(keys, size)):
                    raise Mismatch(f"{what} is not what the old one would", "queue-not-saved")
                keys.append(units(1, dim))
                new.enqueue(keys[-1])
                old.enqueue(keys[-1])
            _holds(old.negatives(), after(keys, size), "what the old queue holds afterwards")


# ---- 3 logits and labels


def _cosines(q: Tensor, k: Tensor, negatives: Tensor) -> Tensor:
    """The positive's, then the negatives': (N, 1 + K)."""
    return torch.cat([(q * k).sum(1, keepdim=True), q @ negatives.T], dim=1)


def _sorted(logits: Any) -> Any:
    """Each row's logits from the least to the largest: in which column one stands is free."""
    if isinstance(logits, np.ndarray) and logits.dtype.kind == "f":
        logits = torch.from_numpy(np.ascontiguousarray(logits))
    if isinstance(logits, Tensor) and logits.dim() == 2 and logits.is_floating_point():
        return logits.sort(dim=1).values
    return logits


GRADIENT = """
import torch

def gradient(function, q, k, negatives, T):
    q.requires_grad_()
    logits, labels = function(q, k, negatives, T)
    if not logits.requires_grad:
        return None
    torch.nn.functional.cross_entropy(logits, labels).backward()
    return q.grad
"""


@check("moco/logits", points=3)
def logits(student: Student, rng: np.random.Generator) -> None:
    """info_nce_logits(q, k, negatives, T) -> logits (N, 1 + K) and int64 labels: where each row's positive stands."""

    def make(n=None, size=None, dtype=torch.float32):
        def inputs(rng):
            rows, keys, dim = asking.sizes(rng, 3, 4, 12)
            rows, keys = rows if n is None else n, keys if size is None else size
            q, k, negatives = (
                asking.rows(rng, rows, dim),
                asking.rows(rng, rows, dim),
                asking.unit(asking.normal(rng, keys, dim)),
            )
            return q.to(dtype), k.to(dtype), asking.unit(negatives.to(dtype)), _temperature(rng)

        return inputs

    def answers(q, k, negatives, T):
        n, keys = len(q), len(negatives)
        a, b = asking.unit(q), asking.unit(k)
        right = _cosines(a, b, negatives)
        known = {
            "right": right / T,
            "not-unit-length": Either(
                torch.cat([(x * y).sum(1, keepdim=True), z @ negatives.T], dim=1) / T
                for x in (a, q)
                for y in (b, k)
                for z in ((a, q) if keys else (a,))
                if x is q or y is k or z is q
            ),
            "temperature-multiplied": right * T,
            "the temperature left out": right,
        }
        if n > 1 and keys:
            among = [torch.cat([right, a @ b.T], 1), torch.cat([a @ b.T, a @ negatives.T], 1), a @ b.T]
            known["current-keys-as-negatives"] = Either(x / T for x in among)
        if n == 1 and not keys:  # nothing but one positive: little can be told
            known = {name: known[name] for name in ("right", "temperature-multiplied")}
        return {
            name: Either(map(_sorted, answer)) if isinstance(answer, Either) else _sorted(answer)
            for name, answer in known.items()
        }

    def ask(*how, labelled=True, **more):
        """The student's answer to a question; `labelled`: whether the labels are looked at."""
        within = {"n": 12}
        inputs, known = draw(rng, make(*how, **more), answers, **within)
        right = known.pop("right")
        known.pop("the temperature left out", None)  # has no name, and must not look like one that has
        got, labels = near(student.info_nce_logits(*inputs), (ANY, ANY), what="(logits, labels)")
        near(_sorted(got), right, suspects=known, what="each row's logits, sorted,", **within)
        if labelled:
            _labels(labels, torch.as_tensor(got), *inputs)
        return inputs

    with case("the cosines with the positive and with each negative, over the temperature", 1):
        ask(labelled=False)
        ask(labelled=False)
        inputs = ask(dtype=torch.float64, labelled=False)
        asking.unchanged(student, student.info_nce_logits, *inputs)
    with case("labels that name the positive's column; one row; no negatives yet", 1):
        ask()
        ask(1)
        ask(None, 0)
        ask(1, 0)
    with case("cross-entropy of them gives q the gradient that it should", 1):
        for _ in range(2):
            q, k, negatives, T = make()(rng)
            leaf = q.clone().requires_grad_()
            rows = _cosines(asking.unit(leaf), asking.unit(k), negatives) / T
            F.cross_entropy(rows, torch.zeros(len(q), dtype=torch.long)).backward()
            asked, labels = near(student.info_nce_logits(q, k, negatives, T), (ANY, ANY), what="(logits, labels)")
            near(_sorted(asked), _sorted(rows.detach()), what="each row's logits, sorted,", n=12)
            _labels(labels, torch.as_tensor(asked), q, k, negatives, T)
            got = student.define(GRADIENT).gradient(student.info_nce_logits, q, k, negatives, T)
            if got is None:
                raise Mismatch("no gradient reaches q: its logits have no graph")
            if not _like(got, leaf.grad):
                near(got, leaf.grad, what="the gradient of q")
            length = q.norm(dim=1, keepdim=True)  # short rows have large gradients: all of them in one unit
            got, want = torch.as_tensor(got) * length, leaf.grad * length
            near(got, want, what="the gradient of q, times each row's length,", n=100, eps=2.0**-20)


def _like(got: Any, want: Tensor) -> bool:
    return isinstance(got, Tensor | np.ndarray) and tuple(got.shape) == tuple(want.shape)


def _labels(labels: Any, logits: Tensor, q: Tensor, k: Tensor, negatives: Tensor, T: float) -> None:
    """Mismatch unless the labels name a column in which the positive's logit stands."""
    want = torch.zeros(len(q), dtype=torch.long)
    if isinstance(labels, np.ndarray) and labels.dtype == np.int64:
        labels = torch.from_numpy(np.ascontiguousarray(labels))
    if not _like(labels, want) or not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        near(labels, want, what="the labels")
        raise Mismatch("the labels should be an int64 tensor, one for each row")
    positive = (asking.unit(q) * asking.unit(k)).sum(1) / T
    inside = bool(((labels >= 0) & (labels < logits.shape[1])).all())
    named = logits.gather(1, labels[:, None])[:, 0] if inside else None
    if named is None or difference(named, positive, "", 12, None, True):
        raise Mismatch("the column that a label names does not hold the positive's logit", "labels-misplaced")


# ---- 4 a whole step

# Right versions of steps 1 to 3, in the place of the student's or beside them, so that an error there costs its own
# points only. They are put there by check("moco/step"), when the points of steps 1 to 3 have been given.
GIVEN = """
import torch
from torch import nn
from torch.nn.functional import normalize

class Net(nn.Module):
    def __init__(self, inputs, hidden, dim):
        super().__init__()
        self.body, self.norm = nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden)
        self.head = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.body(x))))

class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("held", torch.zeros(0, dim))

    def enqueue(self, k):
        self.held = torch.cat([self.held, normalize(k.detach(), dim=1)])[-self.size :]

    def negatives(self):
        return self.held.clone()

def momentum_update(query, key, m):
    with torch.no_grad():
        for q, k in zip(query.parameters(), key.parameters()):
            k.copy_(m * k + (1 - m) * q)

def info_nce_logits(q, k, negatives, T):
    q, k = normalize(q, dim=1), normalize(k, dim=1)
    logits = torch.cat([(q * k).sum(dim=1, keepdim=True), q @ negatives.T], dim=1) / T
    return logits, torch.zeros(len(q), dtype=torch.long)

def trial(sizes, states, training, size, held, lr):
    query, key = Net(*sizes).train(training), Net(*sizes).train(training)
    query.load_state_dict(states[0])
    key.load_state_dict(states[1])
    queue = Queue(size, sizes[-1])
    if len(held):
        queue.enqueue(held)
    return query, key, queue, torch.optim.SGD(query.parameters(), lr=lr, momentum=0.5, weight_decay=0.1)
"""
_given: dict = {"__name__": __name__}
exec(GIVEN, _given)
STEPS_ON_END = 3
# Sums over rows, keys and hidden units, divided by a length and by T, which is 0.1 or more; where the positive has
# nearly won, what is left of logits of up to 10 is ten times as uncertain, seen from its own size.
WITHIN = {"n": 100, "eps": 2.0**-19}


def _weights(state: Any) -> Any:
    """A state without its buffers: how often an encoder may be run is nobody's business."""
    return {k: v for k, v in state.items() if _is_parameter(k)} if isinstance(state, dict) else state


def _play(how: str, sizes: Sequence[int], states: Sequence[dict], training: bool, size: int, held: Tensor, lr: float,
          views: Sequence[tuple[Tensor, Tensor]], m: float, T: float) -> dict[str, Any]:  # fmt: skip
    """Losses of steps on these views, and the state after the last: as asked for, or with one mistake (`how`)."""
    query, key, queue, optimizer = _given["trial"](sizes, states, training, size, held, lr)
    losses = []
    for x_q, x_k in views:
        if how == "moved first":
            _given["momentum_update"](query, key, m)
        key.train(training and how != "key in eval mode")
        q, k = query(x_q), key(x_k).detach()
        if how == "enqueued first":
            queue.enqueue(k)
        loss = F.cross_entropy(*_given["info_nce_logits"](q, k, queue.negatives(), T))
        optimizer.zero_grad()
        loss.backward()
        if how == "moved before the step":
            _given["momentum_update"](query, key, m)
        optimizer.step()
        if how not in ("moved first", "moved before the step"):
            _given["momentum_update"](query, key, 1 - m if how == "swapped" else m)
        if how != "enqueued first":
            queue.enqueue(k)
        losses.append(loss.item())
    weights = [_weights(net.state_dict()) for net in (query, key)]
    return {"loss": losses, "query": weights[0], "both": weights, "queue": queue.negatives()}


@check("moco/step", points=4)
def step(student: Student, rng: np.random.Generator) -> None:
    """moco_step(query, key, queue, optimizer, x_q, x_k, m, T) -> the loss, a number; all four have moved on."""
    given = student.define(GIVEN)
    within = WITHIN

    def make(steps=1, empty=False, training=True):
        def inputs(rng):
            sizes, (rows, held) = asking.sizes(rng, 3, 4, 9), asking.sizes(rng, 2, 4, 9)
            states = [_state(rng, sizes, of=_given["Net"]) for _ in "qk"]
            size = held + int(rng.integers(1, 2 * rows))
            keys = asking.rows(rng, 0 if empty else held, sizes[-1])
            views = [(asking.normal(rng, rows, sizes[0]), asking.normal(rng, rows, sizes[0])) for _ in range(steps)]
            lr = float(rng.uniform(0.2, 0.6))
            return sizes, states, training, size, keys, lr, views, _momentum(rng), _temperature(rng)

        return inputs

    def ask(sizes, states, training, size, held, lr, views, m, T):
        """The student's queue, losses and encoders after these steps."""
        query, key, queue, optimizer = given.trial(sizes, states, training, size, held, lr)
        losses = []
        with student.given(momentum_update=given.momentum_update, info_nce_logits=given.info_nce_logits):
            for x_q, x_k in views:
                losses.append(student.keep(student.moco_step, query, key, queue, optimizer, x_q, x_k, m, T))
        return losses, query, key, queue

    def question(part, mistakes, **how):
        """Inputs with the right answer of one part, and those of named mistakes."""

        def answers(*inputs):
            known = {name: Either(_play(h, *inputs)[part] for h in hows) for name, hows in mistakes.items()}
            return {"right": _play("right", *inputs)[part], **known}

        inputs, known = draw(rng, make(**how), answers, **within)
        return inputs, known.pop("right"), known

    early = {"current-keys-as-negatives": ["enqueued first"]}
    first = {"key-moved-before-step": ["moved first"]}
    still = {"key-in-eval-mode": ["key in eval mode"]}

    with case("the loss, against keys of earlier batches", 1):
        inputs, right, known = question("loss", {**early, **first, **still})
        losses, *_ = ask(*inputs)
        if student.isinstance(losses[0], "torch.Tensor") and student.at(losses[0], "requires_grad") is True:
            raise Mismatch("the loss should be a plain number, but it is a tensor with a graph")
        near([student.value(loss) for loss in losses], right, suspects=known, what="the loss", **within)
        inputs, right, _ = question("loss", {}, empty=True)
        losses, *_ = ask(*inputs)
        near(student.value(losses[0]), right[0], what="the loss with an empty queue", **within)
    with case("the query encoder after its optimizer's step; modes and views as they were", 1):
        for training in (True, False):
            mistakes = {**early, **first, **(still if training else {})}
            inputs, right, known = question("query", mistakes, training=training)
            _, query, key, _ = ask(*inputs)
            got = _weights(student.state(query))
            near(got, right, suspects=known, what="the query encoder's weights", **within)
            if any(student.at(net, "training") is not training for net in (query, key)):
                raise Mismatch("an encoder is in another mode (train or eval) after the step than it was before")
        *start, views, m, T = inputs
        parts = given.trial(*start)
        with student.given(momentum_update=given.momentum_update, info_nce_logits=given.info_nce_logits):
            asking.unchanged(student, student.moco_step, *views[0], m, T, before=parts)
    with case("the key encoder after it: without a gradient, moved towards the new query encoder", 1):
        for _ in range(2):
            moved = {"key-moved-before-step": ["moved first", "moved before the step"]}
            inputs, right, known = question("both", {**early, **moved, **still, "m-swapped": ["swapped"]})
            _, query, key, _ = ask(*inputs)
            if any(g is not None for g in student.grads(key).values()):
                raise Mismatch("parameters of the key encoder have a gradient after the step", "gradient-into-key")
            got = [_weights(student.state(net)) for net in (query, key)]
            near(got, right, suspects=known, what="the weights of (query, key)", **within)
    with case("the queue after it, and several steps from an empty queue on", 1):
        inputs, right, _ = question("queue", {})
        *_, queue = ask(*inputs)
        _holds(queue.negatives(), right, "what the queue holds", eps=within["eps"])
        inputs, _, _ = question("queue", {}, steps=STEPS_ON_END, empty=True)
        names = {"enqueued first": "current-keys-as-negatives", "moved first": "key-moved-before-step",
                 "moved before the step": "key-moved-before-step", "key in eval mode": "key-in-eval-mode"}  # fmt: skip
        right = {how: _play(how, *inputs) for how in ("right", *names)}
        losses, query, key, queue = ask(*inputs)
        wide = {"n": 400, "eps": 2.0**-18}
        got = [[student.value(loss) for loss in losses][1:], *(_weights(student.state(net)) for net in (query, key))]
        wanted = {how: [r["loss"][1:], *r["both"]] for how, r in right.items()}
        suspects = {name: Either(wanted[h] for h in names if names[h] == name) for name in names.values()}
        near(got, wanted["right"], suspects=suspects, what="(losses, query, key) after several steps", **wide)
        _holds(queue.negatives(), right["right"]["queue"], "what the queue holds after several steps", eps=2.0**-17)


# ---- 5 the loss of v3

LOSS = """
def loss_and_gradients(v3_loss, query, predictor, key, views, T):
    for net in (query, predictor, key):
        net.zero_grad()
    loss = v3_loss(query, predictor, key, views, T)
    if not getattr(loss, "requires_grad", False):
        return loss, None, None, None
    loss.backward()
    return (loss.detach(), *([p.grad for p in net.parameters()] for net in (query, predictor, key)))

def nets(sizes, states):
    predictor = nn.Sequential(nn.Linear(sizes[-1], sizes[1]), nn.Tanh(), nn.Linear(sizes[1], sizes[-1]))
    made = [Net(*sizes), predictor, Net(*sizes)]
    for net, state in zip(made, states):
        net.load_state_dict(state)
    return made
"""
_nets: dict = {"__name__": __name__}
exec(GIVEN.partition("class Queue")[0] + LOSS, _nets)


def _v3(nets: Sequence[nn.Module], views: Sequence[Tensor], T: float, how: str = "right") -> Tensor:
    """The loss as asked for, or with one mistake (`how`)."""
    query, predictor, key = nets

    def each(net, mixed):
        return net(torch.cat(list(views))).chunk(len(views)) if how in mixed else [net(x) for x in views]

    qs = each(query if how == "no predictor" else nn.Sequential(query, predictor), ("mixed", "mixed queries"))
    key.train(how != "key in eval mode")
    with torch.no_grad():
        ks = each(nn.Sequential(key, predictor) if how == "predictor on keys" else key, ("mixed", "mixed keys"))
    key.train()
    qs = qs if how in ("raw", "raw queries") else [asking.unit(q) for q in qs]
    ks = ks if how in ("raw", "raw keys") else [asking.unit(k) for k in ks]
    pairs = [(i, j) for i in range(len(views)) for j in range(len(views)) if _counts(how, i, j)]
    labels = torch.arange(len(views[0]))
    labels = torch.zeros_like(labels) if how == "first labels" else labels
    scale = T if how == "multiplied" else 1 / T
    logits = [qs[i] @ ks[j].T * scale for i, j in pairs]
    total = sum(F.cross_entropy(x.T if how == "columns" else x, labels) for x in logits)
    return total if how == "no factor" else 2 * T * total


def _counts(how: str, i: int, j: int) -> bool:
    """Whether the query of view i is compared with the key of view j."""
    match how:
        case "forward":
            return i < j
        case "backward":
            return i > j
        case "all":
            return True
        case "own":
            return i == j
    return i != j


V3_MISTAKES = {
    "one-direction": ("forward", "backward"),
    "own-view-as-positive": ("all", "own"),
    "predictor-on-keys": ("predictor on keys",),
    "two-tau-forgotten": ("no factor",),
    "temperature-multiplied": ("multiplied",),
    "labels-misplaced": ("first labels",),
    "not-unit-length": ("raw", "raw queries", "raw keys"),
    "key-in-eval-mode": ("key in eval mode",),
    "views-in-one-batch": ("mixed", "mixed queries", "mixed keys"),
    "no predictor": ("no predictor",),  # these two have no name, and must not look like one that has
    "softmax over queries": ("columns",),
}
NAMELESS = ("no predictor", "softmax over queries")


@check("moco/v3", points=3)
def v3(student: Student, rng: np.random.Generator) -> None:
    """v3_loss(query, predictor, key, views, T) -> Σ over i ≠ j of 2τ · cross-entropy of (q_i, k_j); none into key."""
    given = student.define(GIVEN.partition("class Queue")[0] + LOSS)
    within = WITHIN

    def make(count):
        def inputs(rng):
            sizes, rows = asking.sizes(rng, 3, 4, 9), int(rng.integers(4, 9))
            states = [_state(rng, sizes, of=_nets["Net"]), {}, _state(rng, sizes, of=_nets["Net"])]
            for name, shape in (("0", (sizes[1], sizes[2])), ("2", (sizes[2], sizes[1]))):
                states[1] |= {
                    f"{name}.weight": asking.normal(rng, *shape),
                    f"{name}.bias": asking.normal(rng, shape[0]),
                }
            return sizes, states, [asking.normal(rng, rows, sizes[0]) for _ in range(count)], _temperature(rng)

        return inputs

    def answers(sizes, states, views, T):
        def loss(how):
            return _v3(_nets["nets"](sizes, states), views, T, how).item()

        return {"right": loss("right"), **{name: Either(map(loss, hows)) for name, hows in V3_MISTAKES.items()}}

    def ask(count):
        inputs, known = draw(rng, make(count), answers, **within)
        for name in NAMELESS:
            del known[name]
        sizes, states, views, T = inputs
        nets = given.nets(sizes, states)
        return (
            inputs,
            known,
            near(given.loss_and_gradients(student.v3_loss, *nets, views, T), (ANY,) * 4, what="the loss and gradients"),
        )

    with case("the loss for two views", 1):
        for _ in range(2):
            (sizes, states, views, T), known, (loss, *_) = ask(2)
            near(loss, known.pop("right"), suspects=known, what="the loss", **within)
        asking.unchanged(student, student.v3_loss, views, T, before=given.nets(sizes, states))
    with case("its gradient: into the query encoder and the predictor, none into the key encoder", 1):
        (sizes, states, views, T), known, (_, *gradients) = ask(2)
        if gradients == [None] * 3:
            raise Mismatch("the loss has no graph: no gradient reaches the query encoder")
        if not isinstance(gradients[2], list) or any(g is not None for g in gradients[2]):
            raise Mismatch("parameters of the key encoder have a gradient", "gradient-into-key")

        def wanted(how):
            nets = _nets["nets"](sizes, states)
            parameters = [list(net.parameters()) for net in nets[:2]]
            grads = torch.autograd.grad(_v3(nets, views, T, how), sum(parameters, []), materialize_grads=True)
            return [list(grads[: len(parameters[0])]), list(grads[len(parameters[0]) :])]

        suspects = {name: Either(map(wanted, hows)) for name, hows in V3_MISTAKES.items() if name not in NAMELESS}
        near(gradients[:2], wanted("right"), suspects=suspects, what="(query's, predictor's) gradients", **within)
    with case("more views: every view's query meets the keys of all others", 1):
        for count in (3, 4):
            _, known, (loss, *_) = ask(count)
            near(loss, known.pop("right"), suspects=known, what=f"the loss for {count} views", **within)


# ---- 6 a probe

PROBED = """
import torch
from torch import nn

class Seen(list):  # how many pictures came at a time, to copies of the encoder too
    def __deepcopy__(self, memo):
        return self

class Louder(nn.Module):  # as dropout, it does something else in train mode; unlike dropout, always the same
    def forward(self, x):
        return 2 * x if self.training else x

class Probed(nn.Module):
    def __init__(self, inputs, hidden, pairs):
        super().__init__()
        self.body, self.head = nn.Linear(inputs, hidden), nn.Linear(hidden, 2 * pairs)
        self.inner, self.second = nn.Sequential(nn.BatchNorm1d(hidden), nn.Tanh()), nn.BatchNorm1d(2 * pairs)
        self.louder, self.saw = Louder(), Seen()
        self.head.bias.requires_grad_(False)

    def forward(self, x):
        self.saw.append(len(x))
        return self.louder(self.second(self.head(self.inner(self.body(x))))).view(len(x), -1, 2)

def probed(sizes, state, modes):
    net = Probed(*sizes)
    net.load_state_dict(state)
    for part, mode in zip(net.modules(), modes):
        part.training = mode
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    return net

def modes(net):
    return [part.training for part in net.modules()]

def gradients(net):
    held = [p.grad is not None and bool((p.grad == 1).all()) for p in net.parameters()]
    return [p.requires_grad for p in net.parameters()] + held

def features_of(features, encoder, x, batch):
    z = features(encoder, x, batch)
    recording = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return z, bool(getattr(z, "requires_grad", False)), recording
"""
_probed: dict = {"__name__": __name__}
exec(PROBED, _probed)
PARTS = len(list(_probed["Probed"](1, 1, 1).modules()))


@check("moco/probe", points=3)
def probe(student: Student, rng: np.random.Generator) -> None:
    """features(encoder, x, batch) -> (N, F) in eval mode; knn_predict(bank, labels, z, k) -> classes (N,) by cosine."""
    given = student.define(PROBED)

    def make(rest, modes=(True,) * PARTS, whole=True):
        """rest: rows of the last batch. whole: whether there are batches before it."""

        def inputs(rng):
            sizes = asking.sizes(rng, 3)
            state = {n: asking.normal(rng, *t.shape) for n, t in _probed["Probed"](*sizes).state_dict().items()}
            for norm in ("inner.0", "second"):
                state[f"{norm}.running_var"] = state[f"{norm}.running_var"].square() + 0.3
                state[f"{norm}.num_batches_tracked"] = torch.tensor(int(rng.integers(10, 1000)))
            batch = int(rng.integers(rest + 1, rest + 6))
            x = asking.normal(rng, whole * batch * int(rng.integers(2, 5)) + rest, sizes[0])
            return sizes, state, list(modes), x, batch

        return inputs

    def answers(sizes, state, modes, x, batch):
        def by(training, batch):
            net = _probed["probed"](sizes, state, modes).train(training)
            with torch.no_grad():
                return torch.cat([net(rows).flatten(1) for rows in x.split(batch)])

        known = {"right": by(False, batch)}
        if batch > 1 and len(x) % batch != 1:  # batch norm refuses to train on a single row
            known["probe-in-train-mode"] = Either([by(True, batch), by(True, len(x))])
        return known

    within = {"n": 10}

    def ask(*how):
        (sizes, state, modes, x, batch), known = draw(rng, make(*how), answers, **within)
        net = given.probed(sizes, state, modes)
        asked = given.features_of(student.features, net, x, batch)
        got, graph, recording = near(asked, (ANY, ANY, ANY), what="the features")
        near(got, known.pop("right"), suspects=known, what="the features", **within)
        if recording is not True:
            raise Mismatch("gradients are switched off for all that comes afterwards: use `with torch.no_grad():`")
        return net, graph, sizes, state, modes, x, batch

    with case("features in eval mode, in batches, a row for each picture", 1):
        net, graph, *_, x, batch = ask(int(rng.integers(2, 5)))
        if graph is not False:
            raise Mismatch("the features have a graph, which keeps the activations of all batches")
        seen = student.at(net, "saw")
        if not isinstance(seen, list) or not all(type(n) is int and 0 < n <= batch for n in seen) or not seen:
            raise Mismatch("the encoder was given more pictures at a time than `batch`")
        net, *_, x, batch = ask(0)
        asking.unchanged(student, student.features, x, batch, before=[net])
        ask(1)
        ask(int(rng.integers(2, 5)), (True,) * PARTS, False)
    with case("afterwards the encoder is as it was: its weights, statistics and the mode of each part", 1):
        mixed = [True, *(bool(b) for b in rng.permutation([True, False] * (PARTS // 2)))][:PARTS]
        at = [name for name, _ in _probed["Probed"](1, 1, 1).named_modules()].index
        mixed[at("inner")], mixed[at("inner.0")] = True, False  # a part of a part
        for modes in ((True,) * PARTS, mixed, (False,) * PARTS, (False, *mixed[1:])):
            net, _, sizes, state, before, *_ = ask(2, modes)
            if given.modes(net) != before:
                raise Mismatch("parts of the encoder are in another mode than before", "modes-not-restored")
            near(student.state(net), state, what="the encoder's state afterwards")
            if given.gradients(net) != _probed["gradients"](_probed["probed"](sizes, state, before)):
                raise Mismatch("the encoder's parameters ask for gradients, or hold some, otherwise than before")

    def neighbours(k):
        def inputs(rng):
            dim, bank = int(rng.integers(4, 9)), int(rng.integers(30, 60))
            names = torch.from_numpy(rng.choice(100, 4, replace=False))
            labels = names[torch.from_numpy(rng.integers(0, 4, bank))]
            bank, z = asking.rows(rng, bank, dim, 0.5), asking.rows(rng, 80, dim, 0.5)
            return bank, labels, z[clear(bank, labels, z, k)][: int(rng.integers(12, 18))], k

        return inputs

    def clear(bank, labels, z, k):
        """For which rows neither the k-th neighbour nor the vote is a matter of rounding."""
        sims, order = (asking.unit(z).double() @ asking.unit(bank).double().T).sort(dim=1, descending=True)
        counts = (labels[order[:, :k]][:, :, None] == labels.unique()).sum(1).sort(dim=1, descending=True).values
        return ((sims[:, k - 1] - sims[:, k]) > 1e-4) & (counts[:, 0] > counts[:, 1])

    def crowd(rng):
        """One row; two neighbours of one class that are very near, three of another that are nearly at right angles,
        and others behind them: each has one vote, and not as many as it is near."""
        dim, sims = (
            int(rng.integers(4, 9)),
            [*rng.uniform(0.95, 0.99, 2), *rng.uniform(0.02, 0.1, 3), *rng.uniform(-0.9, -0.2, 4)],
        )
        z, cosines = asking.unit(asking.normal(rng, 1, dim)), torch.tensor(sims).float()[:, None]
        aside = asking.normal(rng, len(sims), dim)
        aside = asking.unit(aside - aside @ z.T * z)
        few, many = (int(c) for c in rng.choice(100, 2, replace=False))
        bank = (cosines * z + (1 - cosines**2).sqrt() * aside) * torch.from_numpy(
            rng.uniform(0.5, 2, (len(sims), 1))
        ).float()
        return (bank, torch.tensor([few] * 2 + [many] * 3 + [few] * 4), 3 * z, 5), (few, many)

    def votes(bank, labels, z, k):
        def by(similarity):
            return labels[similarity.topk(k, dim=1).indices].mode(dim=1).values

        known = {"right": by(asking.unit(z) @ asking.unit(bank).T)}
        known["not-unit-length"] = Either(
            [by(z @ bank.T), by(-torch.cdist(z, bank)), by(-torch.cdist(asking.unit(z), bank))]
        )
        if k > 1:
            nearest = (asking.unit(z) @ asking.unit(bank).T).topk(k, dim=1)
            of = labels.unique()
            votes = nearest.values.div(0.07).exp()[:, :, None] * (labels[nearest.indices][:, :, None] == of)
            known["nearest neighbour alone"] = labels[nearest.indices[:, 0]]
            known["weighted votes"] = of[votes.sum(1).argmax(1)]
        return known

    with case("the class that most of the k nearest have, by cosine", 1):
        for k in (1, int(rng.integers(4, 7)), int(rng.integers(8, 13))):
            inputs, known = draw(rng, neighbours(k), votes)
            named = {"not-unit-length": known["not-unit-length"]}
            near(student.knn_predict(*inputs), known["right"], suspects=named, what="the classes")
        asking.unchanged(student, student.knn_predict, *inputs)
        (bank, labels, z, k), (few, many) = crowd(rng)
        what = "the class of a single row, which few near and many far of its neighbours have"
        near(student.knn_predict(bank, labels, z, k), torch.tensor([many]), suspects={}, what=what)
        bank, labels = bank[:k], labels[:k]
        near(
            student.knn_predict(bank, labels, z, k),
            torch.tensor([many]),
            what="the class that most of the whole bank have",
        )
