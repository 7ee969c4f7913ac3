"""Is an answer right? Type, then shape, then dtype, then finiteness, then values; with expected, got and where on
failure.

The tolerance follows from the arithmetic. Two right programs may sum in another order: each of n rounding steps moves
a sum by at most eps/2 of its size, typically by sqrt(n) of that, so `rtol = 4 eps (1 + sqrt(n))` with n the reduction
length and eps the *coarser* of the two dtypes at work. It is taken relative to each entry and to the tensor's largest
entry, since a sum's error follows its terms and not its result.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from quintet.student import Ref, Unfit

SHOWN = 3  # differing positions that a report lists
ANY = type("Any", (), {"__repr__": lambda self: "anything"})()  # a part of an answer that is not judged here


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
) -> None:
    """Raise Mismatch unless `got` is `want` within rounding.

    got: the student's answer, plain data. want: tensors, numbers, booleans, strings, None, or lists, tuples and dicts
    of them.
    suspects: answers of named misconceptions to the same question; the one that `got` equals is named, if it is only
    one.
    n: terms that each entry sums. eps: the precision of the computation where it is coarser than the result's dtype.
    dtype: whether a tensor's dtype must agree.
    """
    problem = difference(got, want, what, n, eps, dtype)
    if problem is None:
        return
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
        try:
            got = list(got)  # a generator, a map, a deque: a right answer in an unusual style
        except Unfit:
            return f"{what} should be {_kind(want)}, but it is {got!r}"
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)):
            return f"{what} should be {_kind(want)}, but it is {_kind(got)}"
        if len(got) != len(want):
            return f"{what} should have {len(want)} items, but it has {len(got)}"
        names = [f"{what}[{i}]" for i in range(len(want))]
        return _first(difference(g, w, name, n, eps, dtype) for g, w, name in zip(got, want, names, strict=True))
    if isinstance(want, dict):
        if not isinstance(got, dict) or set(got) != set(want):
            keys = sorted(map(str, got)) if isinstance(got, dict) else _kind(got)
            return f"{what} should have the keys {sorted(map(str, want))}, but has {keys}"
        return _first(difference(got[k], w, f"{what}[{k!r}]", n, eps, dtype) for k, w in want.items())
    if isinstance(want, torch.Tensor) and want.dim():
        return _tensors(got, want, what, n, eps, dtype)
    return _scalars(got, want, what, n, eps)


def _first(problems) -> str | None:
    return next((p for p in problems if p is not None), None)


def _scalars(got: Any, want: Any, what: str, n: int, eps: float | None) -> str | None:
    (got, got_eps), (want, want_eps) = _number(got), _number(want)
    if isinstance(want, bool):
        if not isinstance(got, bool) and got not in (0, 1):
            return f"{what} should be True or False, but it is {_kind(got)}"
    elif isinstance(want, (int, float)):
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            return f"{what} should be a number, but it is {_kind(got)}"
        rtol = 4 * (1 + math.sqrt(n)) * max(eps or 0.0, got_eps, want_eps)
        if math.isclose(got, want, rel_tol=rtol) or (math.isnan(got) and math.isnan(want)):
            return None
    if type(got) in (bool, int, float, str, type(None)) and got == want:
        return None
    return f"{what}: expected {show_value(want)}, got {show_value(got)}"


def _number(v: Any) -> tuple[Any, float]:
    """A tensor or array with one entry as that entry, and the precision it was held in; anything else as it is."""
    if isinstance(v, np.ndarray) and v.size == 1:
        v = torch.from_numpy(v)
    if isinstance(v, torch.Tensor) and v.numel() == 1:
        return v.item(), torch.finfo(v.dtype).eps if v.is_floating_point() else 0.0
    return v, 2**-24 if isinstance(v, float) else 0.0


def _tensors(got: Any, want: torch.Tensor, what: str, n: int, eps: float | None, dtype: bool) -> str | None:
    if isinstance(got, np.ndarray):
        got = torch.from_numpy(got)
    if not isinstance(got, torch.Tensor):
        return f"{what} should be a tensor of shape {tuple(want.shape)}, but it is {_kind(got)}"
    if got.shape != want.shape:
        return f"{what} should have shape {tuple(want.shape)}, but has {tuple(got.shape)}"
    if dtype and got.dtype != want.dtype:
        return f"{what} should be {_name(want.dtype)}, but is {_name(got.dtype)}"
    if not want.is_floating_point():
        wrong = got != want
    else:
        g, w = got.double(), want.double()
        if bool((g.isfinite() != w.isfinite()).any()):
            bad = (g.isfinite() != w.isfinite()).nonzero()
            at = tuple(bad[0].tolist())
            return (
                f"{what} differs in where it is finite: {len(bad)} of {g.numel()} entries, first at {list(at)}: "
                f"expected {show_value(w[at].item())}, got {show_value(g[at].item())}"
            )
        eps = max(
            eps or 0.0, torch.finfo(want.dtype).eps, torch.finfo(got.dtype).eps if got.is_floating_point() else 0.0
        )
        finite = w.isfinite()
        size = w[finite].abs()
        rtol = 4 * (1 + math.sqrt(n)) * eps
        slack = rtol * w.abs() + (rtol / 4 * size.max() if n > 1 and size.numel() else 0.0)
        wrong = torch.where(finite, (g - w).abs() > slack, ~((g == w) | (g.isnan() & w.isnan())))
    if not bool(wrong.any()):
        return None
    where = wrong.nonzero()[:SHOWN].tolist()
    places = "; ".join(
        f"at {p}: expected {show_value(want[tuple(p)].item())}, got {show_value(got[tuple(p)].item())}" for p in where
    )
    return f"{what} differs in {int(wrong.sum())} of {wrong.numel()} entries, {places}"


def show_value(v: Any) -> str:
    """A value as a report prints it: short, and never a student's own repr."""
    if isinstance(v, bool) or v is None:
        return str(v)
    if isinstance(v, (int, float)):
        return f"{v:.7g}"
    if isinstance(v, str):
        return repr(v[:80])
    return _kind(v)


def _kind(v: Any) -> str:
    if isinstance(v, torch.Tensor):
        return f"a tensor of shape {tuple(v.shape)} and {_name(v.dtype)}"
    if isinstance(v, (list, tuple)):
        return f"a {type(v).__name__} of {len(v)}"
    return {type(None): "None", bool: "a boolean", int: "an integer", float: "a number", str: "a string"}.get(
        type(v), f"a {type(v).__name__}"
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
