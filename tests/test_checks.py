"""`quintet.checks`: a right answer passes by whatever route it was computed, a wrong one fails with words that help,
and nothing that a student's code answers makes a check itself fail.
"""

import html
import json
import math
import re
import subprocess
import sys
import unicodedata
from collections import OrderedDict, deque, namedtuple
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbgrader.utils import determine_grade, get_partial_grade

from quintet import checks
from quintet.checks import (
    ANY,
    Case,
    Either,
    Finding,
    Misconception,
    Mismatch,
    Result,
    case,
    draw,
    near,
    notebook,
    report,
)
from quintet.student import Died, Student, StudentError, loopback

ROOT = Path(__file__).parents[1]
EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23, torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}
NAN, INF = math.nan, math.inf
torch.set_num_threads(1)  # small tensors; the machine may be shared
quick = settings(max_examples=150, deadline=None)
Pair = namedtuple("Pair", "x y")


def accepts(got, want, **options) -> bool:
    try:
        near(got, want, **options)
    except Mismatch:
        return False
    return True


def complaint(got, want, **options) -> str:
    with pytest.raises(Mismatch) as raised:
        near(got, want, **options)
    return str(raised.value)


def answer(value):
    """The value as it arrives from a student: plain data by value, the rest as a Ref."""
    return loopback({"it": value}).it


# ---------------------------------------------------------------------------------------------------------------------
# near: what is right

t = torch.tensor
F64 = torch.ones(1).double()
RIGHT = {
    "the same tensor": (t([1.0, 2.0]), t([1.0, 2.0])),
    "rounding": (t([1.0 + 2**-22, 2.0]), t([1.0, 2.0])),
    "an array for a tensor": (np.array([1, 2], np.float32), t([1.0, 2.0])),
    "a tensor for an array": (t([1.0, 2.0]), np.array([1, 2], np.float32)),
    "an array for an array": (np.arange(3), np.arange(3)),
    "numpy's double": (np.float64(0.1), 0.1 + 2**-28),
    "numpy's number for numpy's number": (np.float32(0.5), np.float32(0.5)),
    "an array of the other byte order": (np.array([1.0, 2.0]).astype(">f4"), t([1.0, 2.0])),
    "an array of the other byte order, strided": (np.arange(4.0).astype(">f8")[::2], t([0.0, 2.0]).double()),
    "a 0-d tensor for a number": (t(2.5), 2.5),
    "a one-entry array for a number": (np.array([2.5], np.float32), 2.5),
    "a number for a 0-d tensor": (2.5, t(2.5)),
    "an integer for a number": (3, 3.0),
    "a whole number for an integer": (3.0, 3),
    "a large integer": (10**400, 10**400),
    "a boolean": (True, True),
    "a 0-d tensor for a boolean": (t(True), True),
    "0 for a boolean": (0, False),
    "numpy's boolean": (np.bool_(True), True),
    "None": (None, None),
    "a string": ("é", "é"),
    "a dtype": (torch.float16, torch.float16),
    "NaN": (NAN, NAN),
    "infinity": (-INF, -INF),
    "a 0-d NaN": (t(NAN), NAN),
    "NaN and inf in place": (t([NAN, INF, -INF, 1.0]), t([NAN, INF, -INF, 1.0])),
    "an empty tensor": (torch.empty(0, 3), torch.empty(0, 3)),
    "integers": (t([1, 2]), t([1, 2])),
    "booleans": (t([True, False]), t([True, False])),
    "another dtype where it does not matter": (t([1.0, 2.0]).double(), t([1.0, 2.0]), {"dtype": False}),
    "half precision where it does not matter": (t([0.1, 2.0]).half(), t([0.1, 2.0]), {"dtype": False}),
    "whole numbers for integers where the dtype does not matter": (t([1.0, 2.0]), t([1, 2]), {"dtype": False}),
    "unsigned integers where the dtype does not matter": (np.array([1, 2], "u8"), t([1, 2]), {"dtype": False}),
    "complex numbers": (t([1 + 1j, -2j]) * (1 + 2**-22), t([1 + 1j, -2j])),
    "a complex 0-d tensor": (t(1 + 1j), t(1 + 1j)),
    "a tuple for a list": ((1, 2), [1, 2]),
    "a named tuple": (Pair(1, t([1.0])), (1, t([1.0]))),
    "a deque": (deque([1, 2]), [1, 2]),
    "a generator": ((x for x in (1, 2)), [1, 2]),
    "a map inside a tuple": ((map(float, "12"), False), ([1.0, 2.0], False)),
    "dict values": ({"a": 1, "b": 2}.values(), [1, 2]),
    "dicts in another order": (OrderedDict(b=t([2.0]), a=1), {"a": 1, "b": t([2.0])}),
    "a generator in a dict": ({"a": iter([1])}, {"a": [1]}),
    "a parameter": (torch.nn.Parameter(t([1.0])), t([1.0])),
    "what is not judged": ((object(), 3), (ANY, 3)),
}  # fmt: skip


ITERABLE = {"a deque", "a generator", "a map inside a tuple", "dict values", "a generator in a dict"}  # arrive as a Ref


@pytest.mark.parametrize("name", RIGHT)
def test_near_accepts(name):
    got, want, *options = RIGHT[name]
    near(answer(got), want, **(options[0] if options else {}))


@pytest.mark.parametrize("name", sorted(RIGHT.keys() - ITERABLE))
def test_near_accepts_what_has_not_travelled(name):
    got, want, *options = RIGHT[name]
    near(got, want, **(options[0] if options else {}))


WRONG = {
    "a type: list for a tensor": ([1.0], t([1.0]), "the result should be a tensor of shape (1,), but it is a list of"),
    "a type: None for a tensor": (None, t([1.0]), "should be a tensor of shape (1,), but it is None"),
    "a type: string for a number": ("1", 1, "should be a number, but it is a string"),
    "a type: tensor for a list": (t([1.0, 2.0]), [1.0, 2.0], "should be a list of 2, but it is a tensor of shape (2,)"),
    "a type: tensor for a number": (t([1.0, 2.0]), 1.0, "a number, but it is a tensor of shape (2,) and float32"),
    "a type: tensor for a boolean": (t([True, False]), True, "be True or False, but it is a tensor of shape (2,)"),
    "a type: empty tensor for a boolean": (torch.empty(0), False, "should be True or False, but it is a tensor"),
    "a type: array for a boolean": (np.array([1, 1]), True, "should be True or False, but it is a ndarray"),
    "a type: None for a boolean": (None, False, "should be True or False, but it is None"),
    "a type: boolean for a number": (True, 1, "should be a number, but it is a boolean"),
    "a type: 0-d boolean for a number": (t(True), 1.0, "should be a number, but it is a boolean"),
    "a type: number for None": (0, None, "expected None, got 0"),
    "a type: number for a string": (0, "a", "expected 'a', got 0"),
    "a type: dict for a list": ({}, [], "should be a list of 0, but it is a dict"),
    "a type: list for a dict": ([], {"a": 1}, "should have the keys ['a'], but has a list of 0"),
    "a type: complex for a number": (t(1j), 1.0, "should be a number, but it is a complex"),
    "an object": (object(), 1.0, "should be a number, but it is <a student's object>"),
    "an object for a list": (object(), [1], "should be a list of 1, but it is <a student's object>"),
    "an object for a tensor": (object(), t([1.0]), "a tensor of shape (1,) and float32, but it is <a student's"),
    "an object in a tuple": ((1, object()), (1, 2), "the result[1] should be an integer, but it is <a student's"),
    "a shape": (t([[1.0, 2.0]]), t([1.0, 2.0]), "should have shape (2,), but has (1, 2)"),
    "a transposed shape": (torch.zeros(2, 3), torch.zeros(3, 2), "should have shape (3, 2), but has (2, 3)"),
    "a length": ([1], [1, 2], "should have 2 items, but it has 1"),
    "an empty generator": (iter([]), [1], "should have 1 items, but it has 0"),
    "a dtype": (t([1.0]).double(), t([1.0]), "should be float32, but is float64"),
    "a dtype: lower precision": (t([1.0]).half(), t([1.0]), "should be float32, but is float16"),
    "a dtype: an array": (np.array([1.0]), t([1.0]), "should be float32, but is float64"),
    "a dtype: boolean": (t([1]), t([True]), "should be bool, but is int64"),
    "another dtype as a value": (torch.float16, torch.bfloat16, "expected bfloat16, got float16"),
    "keys": ({"b": 1}, {"a": 1}, "should have the keys ['a'], but has ['b']"),
    "a missing key": ({}, {"a": 1}, "should have the keys ['a'], but has []"),
    "a value in a dict": ({"a": 2}, {"a": 1}, "the result['a']: expected 1, got 2"),
    "a value": (2.0, 1.0, "the result: expected 1, got 2"),
    "a value in a list": ([1, [2, 4]], [1, [2, 3]], "the result[1][1]: expected 3, got 4"),
    "a boolean": (False, True, "expected True, got False"),
    "a whole number for a boolean": (2, True, "should be True or False, but it is an integer"),
    "integers off by one beyond 2^53": (2**53 + 1, 2**53, "expected 9007199254740992, got 9007199254740993"),
    "an integer beyond every float": (10**400, 1.0, "expected 1, got an integer of more than 30 digits"),
    "an eighth digit": (12345679, 12345678, "expected 12345678, got 12345679"),
    "a tenth digit in double precision": (F64 + 1e-10, F64, "got 1.0000000001"),
    "the number zero": (1e-30, 0.0, "expected 0, got 1e-30"),
    "NaN for a number": (NAN, 1.0, "expected 1, got nan"),
    "a number for NaN": (1.0, NAN, "expected nan, got 1"),
    "infinity for a number": (INF, 1.0, "expected 1, got inf"),
    "the other infinity": (t([INF, 1.0]), t([-INF, 1.0]), "in 1 of 2 entries, at [0]: expected -inf, got inf"),
    "NaN for infinity": (t([NAN, 1.0]), t([INF, 1.0]), "at [0]: expected inf, got nan"),
    "not finite": (t([[1.0, NAN]]), t([[1.0, 2.0]]), "differs in where it is finite: 1 of 2 entries, first at [0, 1]"),
    "finite": (t([1.0]), t([NAN]), "first at [0]: expected nan, got 1"),
    "values": (t([[1.0, 2.0], [3.0, 5.0]]), t([[1.0, 2.0], [3.0, 4.0]]), "1 of 4 entries, at [1, 1]: expected 4, got"),
    "integers": (t([1, 3]), t([1, 2]), "in 1 of 2 entries, at [1]: expected 2, got 3"),
    "booleans": (t([True, True]), t([True, False]), "at [1]: expected False, got True"),
    "complex numbers": (t([1 + 1j]), t([1 - 1j]), "at [0]: expected 1-1j, got 1+1j"),
    "a complex 0-d tensor": (t(1j), t(1 + 1j), "expected 1+1j, got 0+1j"),
    "complex for real where the dtype does not matter": (t([1 + 1j]), t([1.0]), "got 1+1j", {"dtype": False}),
    "half numbers for integers": (t([1.5]), t([1]), "at [0]: expected 1, got 1.5", {"dtype": False}),
    "many numbers": (torch.zeros(9), torch.ones(9), "in 9 of 9 entries, at [0]: expected 1, got 0; at [1]: "),
    "a number of the lowest precision": (t(0.0).to(torch.float8_e5m2), 123.0, "expected 123, got 0"),
    "a low-precision number for a float": (t(1.03).bfloat16(), 1.03, "expected 1.03, got 1.03125"),
    "zeros in the lowest precision": (
        torch.zeros(3).to(torch.float8_e5m2), torch.ones(3), "expected 1, got 0", {"dtype": False}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_near_says_what_is_wrong_and_where(name):
    got, want, words, *options = WRONG[name]
    said = complaint(answer(got), want, **(options[0] if options else {}))
    assert words in said
    named = complaint(answer(got), want, what="the share", **(options[0] if options else {}))
    assert named.startswith("the share"), "the name that the check gives"


def test_a_report_of_a_large_tensor_stays_short():
    said = complaint(torch.zeros(1000, 1000), torch.ones(1000, 1000))
    assert len(said) < 300 and said.count("expected") == 3


class Leaky:
    def __repr__(self):
        return "LEAK"

    __str__ = __repr__

    def __format__(self, spec):
        return "LEAK"


class LeakyNumber(float):
    __repr__ = __str__ = Leaky.__repr__
    __format__ = Leaky.__format__


@pytest.mark.parametrize("want", [1.0, True, None, "a", [1], {"a": 1}, t([1.0]), (1, 2)], ids=repr)
def test_a_students_own_repr_is_never_shown(want):
    for leaky in (Leaky(), [Leaky(), Leaky()], {"a": Leaky()}, LeakyNumber(3), {Leaky(): 1}, [Leaky()]):
        assert "LEAK" not in complaint(answer(leaky), want)


def test_what_a_generator_raises_is_the_students_error_and_not_a_mismatch():
    def bad():
        yield 1
        raise KeyError("two")

    with pytest.raises(StudentError, match="KeyError"):
        near(answer(bad()), [1, 2])


def test_an_endless_generator_is_the_students_error():
    def endless():
        while True:
            yield 1

    with pytest.raises(StudentError, match="more than 100,000 items"):
        near(answer(endless()), [1, 2])


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.sampled_from([10**308, 10**320]) | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([np.float16(1), np.bool_(True), np.arange(3), np.arange(3).astype(">i2"), np.zeros((2, 0)),
                       np.ones(2, np.longdouble), np.ones(2, "c16"), np.ones(2, np.clongdouble), np.ones((), "u8"),
                       t(1.0), t([1.0, NAN]), t([True]), t([1j, 2]), t(1j), t([]), t([1.0]).to(torch.float8_e4m3fn),
                       torch.float16, b"ab", slice(1, 2), object(), t([[1, 2]]).to(torch.uint16)]),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=1), inner),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@settings(max_examples=800, deadline=None)
@given(plain, plain, st.sampled_from([1, 7]), st.booleans())
def test_whatever_is_answered_near_gives_a_verdict(got, want, n, dtype):
    accepts(answer(got), want, n=n, dtype=dtype)  # anything but a Mismatch would be our fault


# ---------------------------------------------------------------------------------------------------------------------
# near: the tolerance

shapes = st.sampled_from([(1,), (7,), (3, 4), (2, 3, 2)])


def terms(seed: int, n: int, dtype, rows: int = 6) -> torch.Tensor:
    """n terms for each of a few sums, of mixed sign and size."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((rows, n)) * rng.uniform(0.1, 2, (rows, n))).to(dtype)


def one_by_one(x: torch.Tensor) -> torch.Tensor:
    """Row sums, term after term, each partial sum rounded to the dtype."""
    total = torch.zeros(len(x), dtype=x.dtype)
    for column in x.T:
        total = total + column
    return total


def by_halves(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] == 1:
        return x[:, 0]
    half = x.shape[1] // 2
    return by_halves(x[:, :half]) + by_halves(x[:, half:])


@quick
@given(st.integers(0, 10**6), st.integers(2, 120), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_another_order_of_summation_passes(seed, n, dtype):
    x = terms(seed, n, dtype).abs()
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    for got in (one_by_one(x), one_by_one(x.flip(1)), one_by_one(x[:, order]), by_halves(x)):
        near(got, x.sum(1), n=n)
        near(got, x.double().sum(1).to(dtype), n=n)


@quick
@given(st.integers(0, 10**6), st.integers(2, 64))
def test_a_product_of_matrices_in_half_precision_passes_when_the_check_says_so(seed, n):
    x, y = terms(seed, n, torch.float32, 5), terms(seed + 1, n, torch.float32, 4)
    near((x.half() @ y.half().T).float(), x @ y.T, n=n, eps=EPS[torch.float16])


@quick
@given(st.integers(0, 10**6), st.sampled_from(list(EPS)), st.sampled_from([1, 2, 9, 30]), st.data())
def test_a_relative_error_of_ten_times_the_tolerance_fails_in_any_entry_and_a_tenth_of_it_passes(seed, dtype, n, data):
    rtol = min(4 * (1 + math.sqrt(n)) * EPS[dtype], 0.5)
    want = (1 + torch.from_numpy(np.random.default_rng(seed).random((3, 4)))).to(dtype)  # all of one size
    hit = data.draw(st.integers(0, 11))
    sign = data.draw(st.sampled_from([-1, 1]))
    bad, fine = want.double().clone(), want.double().clone()
    bad.view(-1)[hit] *= 1 + sign * 10 * rtol
    fine.view(-1)[hit] *= 1 + sign * 0.1 * rtol
    assert not accepts(bad.to(dtype), want, n=n)
    assert accepts(fine.to(dtype), want, n=n)
    number = want.double().view(-1)[hit].item()
    assert not accepts(number * (1 + sign * 10 * 8 * 2.0**-24), number)
    assert accepts(number * (1 + sign * 0.1 * 8 * 2.0**-24), number)


@quick
@given(st.integers(0, 10**6), st.sampled_from([1, 16, 256]), shapes)
def test_a_result_rounded_to_two_decimals_fails(seed, n, shape):
    want = torch.from_numpy(np.random.default_rng(seed).standard_normal((*shape, 3))).float()
    got = (want * 100).round() / 100
    assert (got - want).abs().max() > 1e-4, "rounding changed something"
    assert not accepts(got, want, n=n)


@quick
@given(st.integers(0, 10**6), st.sampled_from(list(EPS)), st.sampled_from([1, 16, 256, 10**6]), st.booleans())
def test_an_all_zeros_or_constant_answer_fails_whatever_the_precision_and_the_length(seed, dtype, n, sized):
    want = torch.from_numpy(np.random.default_rng(seed).standard_normal((4, 5)) * (1000 if sized else 1e-3)).to(dtype)
    size = want.double().abs()
    for constant in (0.0, 1.0, *(f(want.double()).item() for f in (torch.mean, torch.median)), size.max().item(), NAN):
        assert not accepts(torch.full_like(want, constant), want, n=n), constant
        assert not accepts(torch.full_like(want, constant), want, n=n, eps=0.125), constant


def test_the_tolerance_of_a_number_does_not_grow_with_what_the_student_returns():
    for dtype in (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        assert not accepts(answer(t(0.3).to(dtype)), 0.3)
    assert accepts(answer(t(0.3)), 0.3), "single precision is what most losses come in"
    assert accepts(answer(t(0.3).half()), 0.3, eps=EPS[torch.float16]), "unless the check says so"


# ---------------------------------------------------------------------------------------------------------------------
# Suspects, ANY, draw


def named(got, want, suspects, **options) -> str | None:
    with pytest.raises(Mismatch) as raised:
        near(got, want, suspects=suspects, **options)
    return raised.value.misconception


def test_a_misconception_is_named_only_if_exactly_one_matches():
    suspects = {"doubled": 2.0, "negated": -1.0, "also-doubled": Either([2.0, 4.0])}
    assert named(-1.0, 1.0, suspects) == "negated"
    assert named(4.0, 1.0, suspects) == "also-doubled", "any one of its answers"
    assert named(2.0, 1.0, suspects) is None, "two match"
    assert named(7.0, 1.0, suspects) is None and named(None, 1.0, suspects) is None
    near(1.0, 1.0, suspects={"the same": 1.0})  # the right answer is right, whoever else gives it


def test_a_misconception_is_matched_within_the_tolerance_and_by_structure():
    suspects = {"zeroed": ([torch.zeros(2)], ANY), "half": ([t([0.5, 0.5])], True)}
    want = ([torch.ones(2)], True)
    assert named(([torch.zeros(2)], False), want, suspects) == "zeroed"
    assert named(([t([0.5, 0.5 + 2**-24])], True), want, suspects) == "half"
    assert named(([t([0.5, 0.5])], False), want, suspects) is None
    assert named([0.5, 0.5], want, suspects) is None


def test_a_generators_items_are_read_once_for_the_right_answer_and_all_suspects():
    def gives(*items):
        return answer(x for x in items)

    suspects = {"ones": [1, 1], "twos": [2, 2]}
    assert named(gives(2, 2), [3, 3], suspects) == "twos"
    assert named(answer((map(int, "11"), False)), ([3, 3], False), {"ones": ([1, 1], False)}) == "ones"
    assert named(answer({"a": iter([2, 2])}), {"a": [3, 3]}, {k: {"a": v} for k, v in suspects.items()}) == "twos"


def test_anything_goes_where_any_stands_and_nowhere_else():
    near(answer((object(), 1)), (ANY, 1))
    assert repr(ANY) == "anything"
    assert "[1]: expected 1, got 2" in complaint((object(), 2), (ANY, 1))


def test_draw_redraws_until_every_suspect_can_be_told_apart():
    drawn = []

    def make(rng):
        drawn.append(len(drawn))
        return (drawn[-1],)

    def answers(i):  # weak inputs: 0 (a suspect is right), 1 (two suspects agree), 2 (an alternative is right)
        table = [(5, 5, 7), (5, 6, 6), (5, 6, Either([8, 5])), (5, 6, Either([8, 6])), (5, 6, Either([7, 8]))]
        right, one, two = table[i]
        return {"right": right, "one": one, "two": two}

    inputs, known = draw(np.random.default_rng(0), make, answers)
    assert drawn == [0, 1, 2, 3, 4] and inputs == (4,)
    assert known == {"right": 5, "one": 6, "two": (7, 8)}


def test_draw_uses_the_checks_tolerance():
    rng, sizes = np.random.default_rng(0), iter([1e-3, 1e-3, 1.0])

    def make(rng):
        return (next(sizes),)

    def answers(size):
        return {"right": torch.ones(2), "off": torch.ones(2) + size}

    (size,), _ = draw(rng, make, answers, n=50, eps=EPS[torch.float16])
    assert size == 1.0, "a difference within rounding discriminates nothing"


def test_draw_raises_when_inputs_never_discriminate():
    made = []
    with pytest.raises(RuntimeError, match="no inputs in 9 draws tell right, wrong apart"):
        draw(np.random.default_rng(0), lambda rng: made.append(1) or (1,), lambda x: {"right": x, "wrong": x}, tries=9)
    assert len(made) == 9


def test_draw_gives_the_same_inputs_for_the_same_generator():
    def once():
        return draw(checks.public_rng("a/b"), lambda rng: (float(rng.normal()),), lambda x: {"right": x, "neg": -x})

    assert once() == once()
    assert once() != draw(checks.public_rng("a/c"), lambda rng: (float(rng.normal()),), lambda x: {"right": x})


# ---------------------------------------------------------------------------------------------------------------------
# case, run, find

MISCONCEPTIONS = {"doubled": Misconception("it was doubled", "Twice is too much.", "lecture 0, section 1 Once")}


@pytest.fixture
def registered():
    """Register checks of this module under "mine/…", for one test."""
    before = dict(checks._registry)
    yield lambda name, points: checks.check(f"mine/{name}", points)
    checks._registry.clear()
    checks._registry.update(before)


def judged(id: str, **namespace) -> Result:
    return checks.run(id, loopback(namespace), checks.public_rng(id))


def test_each_case_earns_its_own_points_and_the_next_one_goes_on(registered):
    @registered("parts", 6)
    def parts(student, rng):
        with case("one", 1):
            near(student.f(1), 1, suspects={"doubled": 2})
        with case("two", 2):
            near(student.f(2), 2, suspects={"doubled": 4})
            near(student.absent(2), 2)
        with case("three", 3):
            near(student.f(3), 3, suspects={"doubled": 6})

    got = judged("mine/parts", f=lambda x: 2 * x if x == 3 else x)
    passed = [(c.name, c.points, c.passed) for c in got.cases]
    assert passed == [("one", 1, True), ("two", 2, False), ("three", 3, False)]
    assert (got.points, got.max) == (1, 6) and got.seconds > 0
    assert [f.misconception for f in got.findings] == [None, "doubled"]
    assert "NameError: name 'absent' is not defined" in got.findings[0].message
    assert "expected 3, got 6" in got.findings[1].message
    right = judged("mine/parts", f=lambda x: x, absent=lambda x: x)
    assert right.points == 6 and right.findings == []


def raising(error):
    def f(*_):
        raise error

    return f


@pytest.mark.parametrize(
    "error, words",
    [
        (NotImplementedError(), "not written yet"),
        (ValueError("wrong"), "Your code raised ValueError: wrong"),
        (AssertionError(), "Your code raised AssertionError"),
        (SystemExit(), "Your code raised SystemExit"),
        (RecursionError(), "RecursionError"),
        (Mismatch("their own"), "Your code raised Mismatch"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_students_failure_costs_points_and_never_leaves_run(registered, error, words):
    @registered("fails", 3)
    def fails(student, rng):
        with case("one", 1):
            near(student.f(1), 1)
        with case("two", 2):
            near(student.g(1), 1)

    got = judged("mine/fails", f=raising(error), g=lambda x: x)
    assert got.points == 2 and words in got.findings[0].message


def test_a_students_failure_outside_of_any_case_costs_what_has_not_run(registered):
    @registered("outside", 3)
    def outside(student, rng):
        with case("one", 1):
            near(student.f(1), 1)
        helper = student.f(2)
        with case("two", 2):
            near(helper, 2)

    got = judged("mine/outside", f=lambda x: x if x == 1 else raising(ValueError("second"))())
    assert got.points == 1 and [c.points for c in got.cases] == [1, 2]
    assert "ValueError: second" in got.findings[0].message


def test_a_student_who_is_dead_from_the_start_gets_zero_and_not_an_exception(registered):
    def dead(frame, seconds):
        raise Died("Died", "the process ended")

    @registered("dead", 3)
    def check_dead(student, rng):
        helper = student.define("x = 1")
        with case("all", 3):
            near(helper.x, 1)

    got = checks.run("mine/dead", Student(dead), checks.public_rng("x"))
    assert got.points == 0 and "the process ended" in got.findings[0].message
    for id in AMP_FUNCTIONS:
        assert checks.run(f"amp/{id}", Student(dead), checks.public_rng("x")).points == 0


def test_a_ref_used_as_a_number_by_a_check_costs_the_student_and_not_us(registered):
    @registered("power", 1)
    def power(student, rng):
        with case("all", 1):
            near(student.f() ** 2, 4.0)

    got = judged("mine/power", f=lambda: object())
    assert got.points == 0 and "where plain data" in got.findings[0].message


@pytest.mark.parametrize(
    "error",
    [
        KeyError("ours"), RuntimeError("ours"), AssertionError("ours"), ZeroDivisionError(), TypeError("ours"),
        AttributeError("module 'numpy' has no attribute 'ours'"), TypeError("'module' object is not callable"),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("inside", [True, False], ids=["in a case", "outside"])
def test_a_bug_in_a_check_leaves_run_as_an_exception(registered, error, inside):
    @registered("buggy", 1)
    def buggy(student, rng):
        if inside:
            with case("all", 1):
                raise error
        raise error

    with pytest.raises(type(error)):
        judged("mine/buggy")
    with pytest.raises(LookupError):
        checks._running.get()  # nothing is left running


@pytest.mark.parametrize("points", [(1, 1), (2, 2), ()])
def test_cases_whose_points_do_not_add_up_are_a_bug(registered, points):
    @registered("sum", 3)
    def wrong_sum(student, rng):
        for p in points:
            with case("part", p):
                pass

    with pytest.raises(AssertionError, match="add up to .* points, not 3"):
        judged("mine/sum")


def test_plain_data_that_fails_deeper_than_in_the_check_itself_is_our_bug(registered):
    @registered("deeper", 1)
    def deeper(student, rng):
        with case("all", 1):
            np.vectorize(None)(3)  # numpy's line calls None, not the check's

    with pytest.raises(TypeError):
        judged("mine/deeper")


def test_fractions_of_a_point_add_up(registered):
    @registered("thirds", 1)
    def thirds(student, rng):
        for _ in range(10):
            with case("a tenth", 0.1):
                pass

    assert judged("mine/thirds").points == pytest.approx(1) and judged("mine/thirds").points <= 1


def test_checks_do_not_leak_into_each_other(registered):
    @registered("outer", 2)
    def outer(student, rng):
        with case("one", 1):
            inner = checks.run("mine/inner", student, rng)
            assert inner.points == 1 and [c.name for c in inner.cases] == ["inside"]
        with case("two", 1):
            pass

    @registered("inner", 1)
    def inner(student, rng):
        with case("inside", 1):
            pass

    assert [c.name for c in judged("mine/outer").cases] == ["one", "two"]


def test_find_imports_a_topic_on_demand_and_says_what_there_is():
    assert checks.find("amp/unscale").points == 3
    assert checks.find("amp/unscale").misconceptions() is sys.modules["quintet.checks.amp"].MISCONCEPTIONS
    with pytest.raises(LookupError, match="no check 'amp/unscaled'; known here: .*amp/unscale, amp/zeroed"):
        checks.find("amp/unscaled")
    for odd in ("nothing/here", "near/near", "report/text", "", "/", "amp", "os/path", "../amp/x", "a b/c"):
        with pytest.raises(LookupError, match="there is no check"):
            checks.find(odd)


def test_a_library_that_a_topic_needs_and_lacks_is_not_taken_for_a_wrong_id(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        checks.find("needy/step")


def test_the_public_generator_is_the_same_each_time_and_another_for_each_check():
    a, b = checks.public_rng("amp/unscale").random(4), checks.public_rng("amp/unscale").random(4)
    assert (a == b).all() and (a != checks.public_rng("amp/zeroed").random(4)).all()


# ---------------------------------------------------------------------------------------------------------------------
# The report

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="a()">&lt;\x1b[31mred\x1b[0m\x1b]8;;http://evil\x07link\x1b]8;;\x07'
    "\x1b]0;title\x1b\\\x9b31m\x08\x00\x7f\x85\u202eright to left\u202c\u2066x\u2069\u200f\ud800\ufeff\n\ttab é ✓ 梯度"
)


def result(*findings: Finding | None, points: float = 1) -> Result:
    cases = [Case(f"case {i}", points, f is None, f) for i, f in enumerate(findings)]
    return Result("mine/step", points * len(findings), cases)


def invisible(said: str) -> set[str]:
    return {c for c in said if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")}


def test_hostile_strings_are_cleaned_in_text_and_escaped_in_html():
    assert invisible(HOSTILE) >= set("\x1b\x08\x00\u202e\ud800"), "the string is hostile"
    found = result(Finding(None, HOSTILE))
    text, page = report.text(found, {}), report.as_html(found, {})
    assert not invisible(text) and not invisible(page)
    for shown in (text, html.unescape(page)):
        assert "tab é ✓ 梯度" in shown and "right to left" in shown and "<script>alert(1)</script>" in shown
        assert "[31m" not in shown and "evil" not in shown and "red" in shown and "link" in shown
    assert "<script" not in page and "<img" not in page and "&amp;lt;" in page
    assert set(re.findall(r"<(\w+)", page)) == {"div", "strong", "ul", "li", "span", "pre"}
    (text + page).encode("utf-8")  # half a surrogate pair could not be saved


def test_cleaning_keeps_ordinary_text_and_does_not_take_long_for_hostile_text():
    for ordinary in ("", "a\n\tb", "expected 1, got 2", "é ✓ 梯度 ∂L/∂w ≤ 2⁻²⁴ [31m"):
        assert report.clean(ordinary) == ordinary
    assert len(report.clean("\x1b]" * 200_000 + "\x1b[" * 200_000)) > 0
    assert report.clean("\x1b[1;38;5;196mError\x1b[0m") == "Error"


@quick
@given(st.text() | st.text(st.sampled_from("\x1b[]8;m\x07\\\u202e\x9b31\n")))
def test_no_control_character_survives_in_any_message(said):
    found = result(Finding(None, said))
    assert not invisible(report.text(found, {})) and not invisible(report.as_html(found, {}))


def test_a_long_message_is_cut():
    found = result(Finding(None, "x" * 10**6))
    assert len(report.text(found, {})) < 1500 and len(report.as_html(found, {})) < 2000


def test_a_report_says_points_and_what_passed():
    found = result(None, Finding(None, "first line\nsecond line"), points=1.5)
    text, page = report.text(found, {}), report.as_html(found, {})
    assert text.splitlines() == [
        "mine/step: 1.5 of 3 points", "  ✓ case 0 (1.5)", "  ✗ case 1 (1.5)", "      first line", "      second line",
    ]  # fmt: skip
    assert 'aria-label="passed"' in page and 'aria-label="failed"' in page, "colour and signs are never alone"


def test_hints_come_in_stages():
    found = result(Finding("doubled", "expected 1, got 2"))
    text, page = (show(found, MISCONCEPTIONS) for show in (report.text, report.as_html))
    stages = ["expected 1, got 2", "it was doubled", "Twice is too much.", "section 1 Once"]
    for shown in (text, page):
        places = [shown.index(s) for s in stages]
        assert places == sorted(places)
    outer, inner = [m.start() for m in re.finditer("<details", page)]
    assert page.index(stages[0]) < outer < page.index(stages[1]) < inner < page.index(stages[3]), (
        "one fold in the other"
    )
    assert "<details open" not in page


def test_a_finding_without_a_known_misconception_has_no_further_hints():
    for found in (result(Finding(None, "m")), result(Finding("unheard-of", "m"))):
        assert "details" not in report.as_html(found, MISCONCEPTIONS)
        assert "looks like" not in report.text(found, MISCONCEPTIONS)


# ---------------------------------------------------------------------------------------------------------------------
# check() and progress() in a notebook


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "progress.json"


@pytest.fixture
def step(registered, state):
    """check() of a step worth 2 points whose answer is the keyword given."""

    @registered("step", 2)
    def judge(student, rng):
        for wanted in (1, 2):
            with case(f"up to {wanted}", 1):
                if student.points_wanted < wanted:
                    raise Mismatch("too little")

    def call(points: int) -> float:
        return eval("check('mine/step')", {"check": notebook.check, "points_wanted": points})

    return call


def saved(state: Path) -> dict:
    return json.loads(state.read_text())["mine/step"]


def test_outside_of_a_notebook_check_judges_the_module_that_calls_it(step, capsys):
    assert step(1) == 1.0 and type(step(1)) is float
    said = capsys.readouterr()
    assert "mine/step: 1 of 2 points" in said.out and said.err == ""


def test_progress_keeps_the_last_and_the_best(step, state):
    for points, best in ((1, 1), (2, 2), (0, 2)):
        step(points)
        assert (saved(state)["last"], saved(state)["best"], saved(state)["max"]) == (points, best, 2)
    shown = str(notebook.progress().__dict__)
    assert "mine/step" in shown and "2 of 2 points at best" in shown
    assert [p.name for p in state.parent.iterdir()] == ["progress.json"], "no temporary file stays"


def test_progress_of_other_checks_is_kept(step, state):
    state.parent.mkdir()
    other = {"amp/unscale": {"last": 0, "best": 3.0, "max": 3, "when": "2026-01-01T00:00:00"}}
    state.write_text(json.dumps(other))
    step(2)
    assert json.loads(state.read_text())["amp/unscale"] == other["amp/unscale"]
    assert "5 of 5 points at best" in str(notebook.progress().__dict__)


def test_without_progress_there_is_a_sentence_and_no_table(state):
    assert "No check has run yet." in str(notebook.progress().__dict__)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"3", b"\xff\xfe\x00", b"[" * 100_000, b'{"mine/step": 3}', b'{"mine/step": {}}',
        b'{"mine/step": {"best": "x", "last": 1, "max": 2, "when": ""}}', b'{"mine/step": {"best": 1, "last": 1}}',
        b'{"mine/step": {"best": 1' + b"0" * 400 + b', "last": 1, "max": 2, "when": ""}}',
        b'{"mine/step": [["best", 1], ["last", 1]]}',
    ],
    ids=lambda c: repr(c[:40]),
)  # fmt: skip
def test_a_file_of_progress_that_cannot_be_read_is_harmless_and_replaced(step, state, content, capsys):
    state.parent.mkdir()
    state.write_bytes(content)
    assert "No check has run yet." in str(notebook.progress().__dict__)
    assert step(1) == 1.0
    assert saved(state)["best"] == 1 and capsys.readouterr().err == ""


def test_a_place_for_progress_that_cannot_be_written_is_harmless(step, state, capsys, tmp_path, monkeypatch):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("QUINTET_STATE", str(blocked))
    assert step(2) == 2.0
    assert "Progress was not saved" in capsys.readouterr().out
    state.mkdir(parents=True)  # progress.json is a folder
    monkeypatch.setenv("QUINTET_STATE", str(state.parent))
    assert step(2) == 2.0
    assert "Progress was not saved" in capsys.readouterr().out
    assert [p.name for p in state.parent.iterdir()] == ["progress.json"], "no temporary file stays"
    assert "No check has run yet." in str(notebook.progress().__dict__)


def test_a_read_only_place_for_progress_is_harmless(step, capsys, monkeypatch):
    monkeypatch.setenv("QUINTET_STATE", "/proc/quintet/state")  # nobody, not even root, may make a folder there
    assert step(2) == 2.0 and "Progress was not saved" in capsys.readouterr().out
    assert "No check has run yet." in str(notebook.progress().__dict__)


def test_an_unknown_check_is_a_lookup_error_that_lists_the_known_ones(state):
    with pytest.raises(LookupError, match="known here: .*amp/unscale"):
        notebook.check("amp/unscaled")
    assert not state.exists()


CELLS = [
    "from quintet import check, progress",
    "import sys, warnings\n"
    "def zeroed(grads, scale, dtype):\n"
    "    warnings.warn('a warning'); print('on stderr', file=sys.stderr)\n"
    "    nonzero = sum(int((g != 0).sum()) for g in grads)\n"
    "    return sum(int(((g * scale).to(dtype) == 0).logical_and(g != 0).sum()) for g in grads) / max(nonzero, 1)",
    "check('amp/zeroed')",
    "def zeroed(grads, scale, dtype): return 0.5",
    "check('amp/zeroed')",
    "def zeroed(grads, scale, dtype): raise NotImplementedError",
    "check('amp/zeroed')",
    "progress()",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The cells above after a run in a real kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUINTET_STATE", str(tmp_path_factory.mktemp("state")))
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
        for cell in nb.cells:
            cell.metadata["nbgrader"] = {"grade": "check(" in cell.source, "solution": False, "points": 2}
        return NotebookClient(nb, timeout=120, kernel_name="python3").execute().cells


@pytest.mark.parametrize("cell, points", [(2, 2.0), (4, 0.0), (6, 0.0)])
def test_in_a_kernel_check_displays_a_report_and_returns_the_points_that_nbgrader_reads(executed, cell, points):
    cell = executed[cell]
    kinds = [o.output_type for o in cell.outputs if o.output_type != "stream"]
    assert kinds == ["display_data", "execute_result"]
    assert [o for o in cell.outputs if o.get("name") == "stderr"] == [], "nbgrader takes stderr for a failure"
    shown, value = (o for o in cell.outputs if o.output_type != "stream")
    assert f"amp/zeroed: {points:g} of 2 points" in shown.data["text/html"]
    assert f"amp/zeroed: {points:g} of 2 points" in shown.data["text/plain"]
    assert get_partial_grade(value, 2) == points
    assert determine_grade(cell) == (points, 2)


def test_in_a_kernel_a_step_that_is_not_written_says_so(executed):
    said = executed[6].outputs[0].data["text/plain"]
    assert said.count("This step is not written yet") == 2 and "Traceback" not in said


def test_in_a_kernel_progress_shows_the_last_and_the_best(executed):
    (shown,) = executed[7].outputs
    assert "2 of 2 points at best" in shown.data["text/plain"] and "<table" in shown.data["text/html"]


def test_importing_quintet_imports_neither_torch_nor_a_topic_nor_a_check():
    program = "import sys, quintet; print([m for m in sys.modules if m.startswith(('quintet', 'torch', 'numpy'))])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "['quintet']"
    program = (
        "import sys, quintet.student.serve, quintet.student\n"
        "found = [m for m in sys.modules if m.startswith(('quintet.', 'torch'))]\n"
        "assert 'quintet.student.serve' in found\n"
        "print([m for m in found if not m.startswith('quintet.student')])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_quintet_names_what_it_lacks():
    import quintet

    assert quintet.check is notebook.check and quintet.progress is notebook.progress
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        quintet.chek  # noqa: B018


# ---------------------------------------------------------------------------------------------------------------------
# Lab 2.1

AMP_FUNCTIONS = {id.split("/")[1] for id in (checks.find("amp/zeroed") and checks._registry) if id.startswith("amp/")}


def reference() -> dict:
    """The names that the solution's own cells leave behind."""
    namespace: dict = {}
    exec("import torch\nfrom torch import nn", namespace)
    for cell in nbformat.read(ROOT / "solutions" / "2_1_amp" / "2_1_amp.ipynb", 4).cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            exec(cell.source, namespace)
    return namespace


def zeros(like):
    """The right answer's structure, filled with nothing."""
    if isinstance(like, (list, tuple)):
        return type(like)(zeros(x) for x in like)
    if isinstance(like, torch.Tensor):
        return torch.zeros_like(like)
    return type(like)(0)


def ones(like):
    if isinstance(like, (list, tuple)):
        return type(like)(ones(x) for x in like)
    if isinstance(like, torch.Tensor):
        return torch.ones_like(like)
    return type(like)(1)


def structured(fill):
    """A function that answers in the shape of the right answer, with a constant in each place."""

    def make(right):
        def f(*args, **kwargs):
            if isinstance(args[0], torch.nn.Module):  # asks for no work, so that the model stays as it is
                return fill((1.0, 1, True)) if len(args) > 5 else fill(1.0)
            return fill(right(*args, **kwargs))

        return f

    return make


CONSTANT = {
    **{repr(v): lambda right, v=v: lambda *_, **__: v for v in
       (None, 0, 0.0, 1, 1.0, 0.5, -1, NAN, INF, True, False, "", (), [], {}, (0, 0), (0, False), (None, None),
        ([], []), ([], False), (1.0, 0), (1024.0, 0), (0.5, 0, False), (1.0, 0, True), (2.0**15, 100, True))},
    "an object": lambda right: lambda *_, **__: object(),
    "a 0-d tensor": lambda right: lambda *_, **__: torch.tensor(0.0),
    "a 0-d tensor of the lowest precision": lambda right: lambda *_, **__: torch.tensor(0.0).to(torch.float8_e5m2),
    "a tensor": lambda right: lambda *_, **__: torch.zeros(3),
    "what came in first": lambda right: lambda first, *_, **__: first,
    "all that came in": lambda right: lambda *args, **__: args,
    "zeros in the right structure": structured(zeros),
    "ones in the right structure": structured(ones),
    "it is not written": lambda right: raising(NotImplementedError()),
    "it raises": lambda right: raising(ValueError()),
}  # fmt: skip


def constant_cases():
    for name in sorted(AMP_FUNCTIONS):
        for answer in CONSTANT:
            yield pytest.param(name, answer)


def test_the_reference_gets_all_points_so_that_the_tests_below_measure_something():
    for name in sorted(AMP_FUNCTIONS):
        found = judged(f"amp/{name}", **reference())
        assert found.points == found.max, report.text(found, {})


@pytest.mark.parametrize("name, answer", constant_cases())
def test_a_constant_answer_earns_nothing(name, answer):
    namespace = reference()
    namespace[name] = CONSTANT[answer](namespace[name])
    found = judged(f"amp/{name}", **namespace)
    assert found.points == 0, report.text(found, {})


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.5, "x", b"x", [1], (1, 2), {}, torch.zeros(2), np.zeros(2)], ids=repr
)
@pytest.mark.parametrize("name", sorted(AMP_FUNCTIONS))
def test_a_name_used_for_something_else_costs_its_points_and_says_so(name, value):
    found = judged(f"amp/{name}", **{**reference(), name: value})
    assert found.points == 0
    says = ("where a function or an object was expected", "object is not callable")  # here, or on the student's side
    assert all(any(words in f.message for words in says) for f in found.findings) and found.findings
