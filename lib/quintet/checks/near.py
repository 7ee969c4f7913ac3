"""Is an answer right? Type, then shape, then dtype, then finiteness, then values; with expected, got and where on
failure.

The tolerance follows from the arithmetic. Two right programs may sum in another order: each of n rounding steps moves
a sum by at most eps/2 of its size, typically by sqrt(n) of that, so `rtol = 4 eps (1 + sqrt(n))` with n the reduction
length and eps the *coarser* of the two dtypes at work. It is taken relative to each entry and to the tensor's largest
entry, since a sum's error follows its terms and not its result. It never exceeds one half: an all-zeros answer would
pass at 0.8. A number of lower precision than the answer's type promises earns no tolerance: a check that asks for one
says so with `eps`.

What a Mismatch says is made of parts: where, what kind, and which values. While `keep_secret` is set (checks.run does
so when graded) the values are left out, and so is all that a student chooses freely: sizes, keys, class names. A check
that writes its own Mismatch puts values into it through `show_value`.
"""

import cmath
import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch

from quintet.student import Ref, StudentError

SHOWN = 3  # differing positions that a report lists
MAX_PLACES = 256  # entries of a tensor up to which a secret report counts and places the wrong ones
MAX_RTOL = 0.5
FLOAT_EPS, FP32_EPS, BF16_EPS = 2.0**-24, 2.0**-23, 2.0**-7  # a Python number may come out of fp32 arithmetic
ANY = type("Any", (), {"__repr__": lambda self: "anything"})()  # a part of an answer that is not judged here

keep_secret: ContextVar[bool] = ContextVar("keep_secret", default=False)  # of the thread that a check runs in


class Either(tuple):
    """Several answers that one misconception may give."""


class Mismatch(AssertionError):
    """An answer that is not right; `misconception` is the id of the named mistake that it matches, if one does."""

    def __init__(self, message: str, misconception: str | None = None):
        super().__init__(message)
        self.misconception = misconception


def near(
    got: Any,
    want: Any,
    *,
    suspects: Mapping[str, Any] | None = None,
    what: str = "the result",
    n: int = 1,
    eps: float | None = None,
    dtype: bool = True,
) -> Any:
    """Raise Mismatch unless `got` is `want` within rounding; returns `got`, with a list for each iterable that stands
    where one is wanted.

    got: the student's answer, plain data. want: tensors, arrays, numbers, booleans, strings, None, dtypes, or lists,
    tuples and dicts of them.
    suspects: answers of named misconceptions to the same question; the one that `got` equals is named, if it is only
    one.
    n: terms that each entry sums. eps: the precision of the computation where it is coarser than the result's dtype.
    dtype: whether a tensor's dtype must agree.
    """
    got = _listed(got, want)
    problem = difference(got, want, what, n, eps, dtype)
    if problem is None:
        return got
    named = [
        k
        for k, answer in (suspects or {}).items()
        if any(difference(got, a, what, n, eps, dtype) is None for a in _alternatives(answer))
    ]
    raise Mismatch(problem, named[0] if len(named) == 1 else None)


def draw(
    rng: np.random.Generator, make: Callable, answers: Callable[..., Mapping[str, Any]], tries: int = 200, **tolerance
) -> tuple:
    """Inputs on which no suspect gives the right answer, nor the answer of another suspect.

    make(rng) gives a tuple of inputs; answers(*inputs) gives {"right": …, misconception id: its answer, …}.
    Returns (inputs, answers). Raises RuntimeError when the inputs never discriminate: such a check would be a bug.
    """
    for _ in range(tries):
        inputs = make(rng)
        given = answers(*inputs)
        values = [_alternatives(answer) for answer in given.values()]
        if all(
            difference(a, b, "", **{"n": 1, "eps": None, "dtype": True, **tolerance}) is not None
            for i, answer in enumerate(values)
            for a in answer
            for b in (b for other in values[:i] for b in other)
        ):
            return inputs, dict(given)
    raise RuntimeError(f"no inputs in {tries} draws tell {', '.join(given)} apart")


def _alternatives(answer: Any) -> tuple:
    return answer if isinstance(answer, Either) else (answer,)


def difference(got: Any, want: Any, what: str, n: int, eps: float | None, dtype: bool) -> str | None:
    """What is wrong with `got`, in words; None when it is right."""
    if want is ANY or got is ANY:
        return None
    if isinstance(got, Ref):
        return f"{what} should be {_kind(want)}, but it is {'an object' if keep_secret.get() else repr(got)}"
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)):
            return f"{what} should be {_kind(want)}, but it is {_kind(got)}"
        if len(got) != len(want):
            return _length(got, want, what)
        names = [f"{what}[{i}]" for i in range(len(want))]
        return _first(difference(g, w, name, n, eps, dtype) for g, w, name in zip(got, want, names, strict=True))
    if isinstance(want, dict):
        if not isinstance(got, dict) or set(got) != set(want):
            return f"{what} {_keys(got, want)}"
        named = [(f"{what}[{_key(k, i)}]", k) for i, k in enumerate(want)]
        return _first(difference(got[k], want[k], name, n, eps, dtype) for name, k in named)
    if isinstance(want, np.ndarray):
        want = _tensor(want)
    if isinstance(want, torch.Tensor) and want.dim():
        return _tensors(got, want, what, n, eps, dtype)
    return _scalars(got, want, what, n, eps)


def _listed(got: Any, want: Any) -> Any:
    """`got` with a list for each iterable that stands where one is wanted: a generator, a map, a deque are right
    answers in an unusual style. Read once, since a generator gives its items once."""
    if not isinstance(want, (list, tuple)):
        if isinstance(want, dict) and isinstance(got, dict):
            return {k: _listed(g, want[k]) if k in want else g for k, g in got.items()}
        return got
    if isinstance(got, Ref):
        try:
            got = list(got)
        except StudentError as error:
            if error.kind == "TypeError":  # it cannot be iterated
                return got
            raise
    if isinstance(got, (list, tuple)) and len(got) == len(want):
        items = [_listed(g, w) for g, w in zip(got, want, strict=True)]
        return tuple(items) if isinstance(got, tuple) else items
    return got


def _first(problems) -> str | None:
    return next((p for p in problems if p is not None), None)


def _scalars(got: Any, want: Any, what: str, n: int, eps: float | None) -> str | None:
    (got, got_eps), (want, want_eps) = _number(got), _number(want)
    if isinstance(want, bool):
        if not isinstance(got, (bool, int, float)) or got not in (0, 1):
            return f"{what} should be True or False, but it is {_kind(got)}"
    elif isinstance(want, (int, float, complex)):
        if isinstance(got, bool) or not isinstance(got, (int, float, type(want))):
            return f"{what} should be a number, but it is {_kind(got)}"
        if _close(got, want, _rtol(n, max(eps or 0.0, min(got_eps, FP32_EPS), want_eps))):
            return None
    if type(got) in (bool, int, float, str, type(None), torch.dtype) and got == want:
        return None
    return f"{what}: {_expected(want, got)}"


def _rtol(n: int, eps: float) -> float:
    return min(4 * (1 + math.sqrt(n)) * eps, MAX_RTOL)


def _close(got: int | float | complex, want: int | float | complex, rtol: float) -> bool:
    if type(got) is int and type(want) is int and rtol == 0:
        return got == want
    try:
        return cmath.isclose(got, want, rel_tol=rtol) or (cmath.isnan(got) and cmath.isnan(want))
    except OverflowError:  # an integer beyond the largest float
        return False


def _number(v: Any) -> tuple[Any, float]:
    """A tensor or array with one entry as that entry, and the precision it was held in; anything else as it is."""
    if isinstance(v, (np.ndarray, np.generic)) and v.size == 1 and not isinstance(v, float):
        v = _tensor(np.asarray(v))
    if isinstance(v, torch.Tensor) and v.numel() == 1:
        return v.item(), torch.finfo(v.dtype).eps if v.is_floating_point() or v.is_complex() else 0.0
    return v, FLOAT_EPS if isinstance(v, (float, complex)) else 0.0


def plain(v: Any) -> Any:
    """A tensor or array with one entry as the number that it holds; anything else as it is."""
    return _number(v)[0]


def _tensor(array: np.ndarray) -> torch.Tensor:
    """An array as a tensor, in the dtype of torch that holds its numbers best: torch has no long doubles and one byte
    order."""
    narrow = {"g": "d", "G": "D"}.get(array.dtype.char, array.dtype.newbyteorder("="))
    return torch.from_numpy(np.array(array, narrow, order="C"))


def _tensors(got: Any, want: torch.Tensor, what: str, n: int, eps: float | None, dtype: bool) -> str | None:
    if isinstance(got, np.ndarray):
        got = _tensor(got)
    if not isinstance(got, torch.Tensor):
        return f"{what} should be a tensor of shape {tuple(want.shape)}, but it is {_kind(got)}"
    if got.shape != want.shape:
        return f"{what} should have shape {tuple(want.shape)}, but has {_shape(got)}"
    if dtype and got.dtype != want.dtype:
        return f"{what} should be {_name(want.dtype)}, but is {_name(got.dtype)}"
    inexact = [t.is_floating_point() or t.is_complex() for t in (got, want)]
    wide = torch.complex128 if got.is_complex() or want.is_complex() else torch.float64 if any(inexact) else torch.int64
    g, w = got.to(wide), want.to(wide)
    if not inexact[1]:
        wrong = g != w
    else:
        wrong = g.isfinite() != w.isfinite()
        if bool(wrong.any()):
            return f"{what} differs in where it is finite: {_places(wrong, got, want, 'first at', shown=1)}"
        got_eps = torch.finfo(got.dtype).eps if inexact[0] else 0.0
        rtol = _rtol(n, max(eps or 0.0, torch.finfo(want.dtype).eps, min(got_eps, BF16_EPS)))
        finite = w[w.isfinite()].abs()
        atol = rtol / 4 * finite.max().item() if n > 1 and finite.numel() else 0.0
        wrong = ~torch.isclose(g, w, rtol, atol, equal_nan=True)
    if not bool(wrong.any()):
        return None
    return f"{what} differs in {_places(wrong, got, want)}"


def _places(wrong: torch.Tensor, got: torch.Tensor, want: torch.Tensor, at: str = "at", shown: int = SHOWN) -> str:
    """How many entries are wrong, and where and what the first of them are."""
    if keep_secret.get() and wrong.numel() > MAX_PLACES:
        return f"some of {wrong.numel()} entries"
    where = wrong.nonzero()[:shown].tolist()
    count = f"{int(wrong.sum())} of {wrong.numel()} entries"
    if keep_secret.get():
        return f"{count}, first at {where[0]}"
    places = "; ".join(f"{at} {p}: {_expected(want[tuple(p)].item(), got[tuple(p)].item())}" for p in where)
    return f"{count}, {places}"


def _shape(got: torch.Tensor) -> str:
    return "another one" if keep_secret.get() else str(tuple(got.shape))


def _length(got: list | tuple, want: list | tuple, what: str) -> str:
    if keep_secret.get():  # how many there are may be what was asked for
        return f"{what} should have another number of items"
    return f"{what} should have {len(want)} items, but it has {len(got)}"


def _keys(got: Any, want: dict) -> str:
    if not keep_secret.get():
        keys = sorted(map(str, got)) if isinstance(got, dict) else _kind(got)
        return f"should have the keys {sorted(map(str, want))}, but has {keys}"
    is_ = "one with others" if isinstance(got, dict) else _kind(got)
    return f"should be a dict of {len(want)} keys, but it is {is_}"


def _key(key: Any, position: int) -> str:
    """A key as a place in the answer; secret ones by number, since they may be what was asked for."""
    return f"item {position + 1}" if keep_secret.get() else repr(key)


def show_value(v: Any) -> str:
    """A value as a report prints it: short, and never a student's own repr; in a secret report, no value at all."""
    if keep_secret.get():
        return "(not shown)"
    if isinstance(v, bool) or v is None:
        return str(v)
    if isinstance(v, int):
        return str(v) if abs(v) < 10**30 else "an integer of more than 30 digits"
    if isinstance(v, (float, complex)):
        return f"{v:.7g}"
    if isinstance(v, str):
        return repr(v[:80])
    return _name(v) if isinstance(v, torch.dtype) else _kind(v)


def _expected(want: Any, got: Any) -> str:
    if keep_secret.get():
        return "not the right value"
    pair = show_value(want), show_value(got)
    if pair[0] == pair[1] and isinstance(want, (float, complex)) and isinstance(got, (float, complex)):
        pair = repr(want), repr(got)  # all digits where seven do not tell them apart
    return f"expected {pair[0]}, got {pair[1]}"


def _kind(v: Any) -> str:
    if isinstance(v, torch.Tensor):
        return f"a tensor of {'' if keep_secret.get() else f'shape {tuple(v.shape)} and '}{_name(v.dtype)}"
    if isinstance(v, (list, tuple)):
        return f"a {type(v).__name__}" + ("" if keep_secret.get() else f" of {len(v)}")
    return {type(None): "None", bool: "a boolean", int: "an integer", float: "a number", str: "a string"}.get(
        type(v), f"a {type(v).__name__}"
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
