"""What lab 2.2 asks: a quantiser, scales by channel, a range under outliers, a layer in integers, a folded batch norm,
a pruned network, and bytes on disk.

Integers are compared exactly, so inputs keep away from ties: two right programs may round one differently.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quintet import compression
from quintet.checks import ANY, Either, Misconception, Mismatch, asking, case, check, draw, near, show_value
from quintet.checks.near import difference, plain
from quintet.student import Ref, Student, StudentError

LECTURE = "lecture 2.2 compression, section "
MISCONCEPTIONS = {
    "zero-not-rounded": Misconception(
        "the zero point was not rounded to the nearest integer",
        "It stands for 0.0, so it has to be one of the grid's integers; rounded down or up instead of to the nearest, "
        "it moves every number by up to a step.",
        LECTURE + "2 Affine quantisation",
    ),
    "range-excludes-zero": Misconception(
        "the range was not widened until it holds zero",
        "Then no integer stands for 0.0: padding and ReLU's zeros come back as something else, and the zero point "
        "falls off the grid.",
        LECTURE + "2 Affine quantisation",
    ),
    "levels-for-steps": Misconception(
        "the range was divided by the number of levels, 2^b, and not by the number of steps, 2^b - 1",
        "Between n levels there are n - 1 steps: the largest number then lies one step beyond the grid.",
        LECTURE + "2 Affine quantisation",
    ),
    "scale-zero-on-constants": Misconception(
        "a range of nothing but zero got a scale of 0, or none at all",
        "Dividing by it gives NaN. Real networks have dead channels: give them any positive scale.",
        LECTURE + "2 Affine quantisation",
    ),
    "truncated": Misconception(
        "the quotient was cut off, not rounded",
        "The error then reaches a whole step instead of half of one, always towards the same side, or towards zero.",
        LECTURE + "2 Affine quantisation",
    ),
    "wrapped-around": Misconception(
        "a number outside the grid wrapped around instead of stopping at its end",
        "A cast to a byte keeps the last eight bits: 256 becomes 0, a large number the smallest. Clamp before it.",
        LECTURE + "2 Affine quantisation",
    ),
    "ends-of-a-byte": Misconception(
        "the grid's ends are those of a byte, whatever the number of bits",
        "With b bits the largest integer is 2^b - 1.",
        LECTURE + "2 Affine quantisation",
    ),
    "subtracted-in-bytes": Misconception(
        "the zero point was subtracted in unsigned bytes",
        "There 3 - 5 is 254. Convert to a wider type first, then subtract.",
        LECTURE + "2 Affine quantisation",
    ),
    "shift-forgotten": Misconception(
        "the zero point was not subtracted",
        "The integer zero_point stands for 0.0: x̂ = scale · (q - zero_point).",
        LECTURE + "2 Affine quantisation",
    ),
    "wrong-axis": Misconception(
        "the scales run along another axis",
        "A weight's output channels lie along axis 0 of a convolution; `axis` says where they are. A scale for each of "
        "something else leaves large and small filters on one grid.",
        LECTURE + "3 One scale or many",
    ),
    "one-scale": Misconception(
        "all channels got the same scale",
        "The largest filter sets it, and small ones are left with a few integers.",
        LECTURE + "3 One scale or many",
    ),
    "signed-maximum": Misconception(
        "the scale follows the largest weight, not the largest magnitude",
        "A channel whose largest weight is negative is then clipped.",
        LECTURE + "3 One scale or many",
    ),
    "grid-to-minus-128": Misconception(
        "the grid is -128 to 127, or its scale is that of 128 steps, where -127 to 127 was asked for",
        "A symmetric grid has as many steps on either side, so that w and -w get opposite integers.",
        LECTURE + "3 One scale or many",
    ),
    "minmax-with-outliers": Misconception(
        "the range is the least and the largest number seen",
        "One outlier then stretches the steps of all the others. Clip it: its own error is large, and it is alone. If "
        "a search ended there, look at its error: it is that of dequantise(quantise(v)) - v, with these bits.",
        LECTURE + "4 Where the range comes from",
    ),
    "one-batch-only": Misconception(
        "the range comes from one batch",
        "Other batches reach further: calibrate on all that was given.",
        LECTURE + "4 Where the range comes from",
    ),
    "narrow-accumulator": Misconception(
        "the products were added up in 8 or 16 bits",
        "One product of two bytes takes 16 bits already, and their sum wraps around. Convert both factors to int32 "
        "before the product.",
        LECTURE + "5 Integers all the way",
    ),
    "zero-point-forgotten": Misconception(
        "the input's zero point was not subtracted",
        "Each sum is then off by zero_point times the sum of its weights.",
        LECTURE + "5 Integers all the way",
    ),
    "bias-in-another-scale": Misconception(
        "the bias was quantised with another scale than the sum that it is added to",
        "The sum counts in units of s_x · s_w: only integers of that unit may be added to it.",
        LECTURE + "5 Integers all the way",
    ),
    "bias-in-a-byte": Misconception(
        "the bias was squeezed into 8 bits",
        "In units of s_x · s_w it is a large number: that is why it is kept in int32.",
        LECTURE + "5 Integers all the way",
    ),
    "norm-not-folded": Misconception(
        "the weights are as they were before the batch norm",
        "The layer alone then gives what the batch norm would have rescaled: multiply each filter by γ / √(σ² + ε).",
        LECTURE + "6 Batch norm, folded",
    ),
    "variance-for-deviation": Misconception(
        "the weights were divided by the variance, not by its root",
        "Batch norm divides by √(σ² + ε).",
        LECTURE + "6 Batch norm, folded",
    ),
    "epsilon-forgotten": Misconception(
        "ε was left out",
        "A channel that hardly varies is then blown up without bound; ε is what keeps it finite.",
        LECTURE + "6 Batch norm, folded",
    ),
    "mean-not-folded": Misconception(
        "the new bias is wrong: the running mean or the old bias was left out, not rescaled, or has the wrong sign",
        "The norm subtracts μ from what the layer gives, its old bias included, and rescales the difference: "
        "β + (b - μ) · γ / √(σ² + ε).",
        LECTURE + "6 Batch norm, folded",
    ),
    "per-layer-share": Misconception(
        "each layer lost the same share",
        "Asked for was the share of all weights together: a layer of large weights may lose few, one of small weights "
        "many.",
        LECTURE + "7 Fewer weights",
    ),
    "signed-order": Misconception(
        "the weights were ordered by value, not by magnitude",
        "The most negative weights, which matter most, go first then.",
        LECTURE + "7 Fewer weights",
    ),
    "mask-upside-down": Misconception(
        "the mask is True for what goes, or the largest weights went",
        "True marks a weight that stays.",
        LECTURE + "7 Fewer weights",
    ),
    "ties-at-the-threshold": Misconception(
        "weights as large as the threshold all stay or all go",
        "Quantised weights have many equals. Order them and count, so that exactly the asked-for number goes.",
        LECTURE + "7 Fewer weights",
    ),
    "masked-zeros-counted": Misconception(
        "zeros take as many bytes as other numbers",
        "A masked weight is still written. Only another way to store it makes the file smaller.",
        LECTURE + "8 Bytes on disk",
    ),
}


def _from_ties(x: Tensor) -> bool:
    """Whether all numbers are at least 0.001 away from the middle between two integers."""
    return bool(((x.double() - x.double().floor() - 0.5).abs() > 1e-3).all())


# ---- 1 scale and zero point


def _affine(lo: float, hi: float, bits: int) -> tuple[float, int]:
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-lo / scale)


def _bits(rng: np.random.Generator, n: int) -> list[int]:
    """Different numbers of bits, 8 among them."""
    return [int(b) for b in rng.permutation([8, *rng.choice(range(2, 8), n - 1, replace=False)])]


def _power(rng: np.random.Generator, least: float, most: float) -> float:
    """10^least … 10^most: the unit of a question, so that no constant is right in all of them."""
    return float(10.0 ** rng.uniform(least, most))


def _positive(scale: Any) -> bool:
    """Also as a float32, which a quantiser divides by."""
    scale = plain(scale)
    return isinstance(scale, (int, float)) and not isinstance(scale, bool) and 2.0**-126 <= scale <= 1e30


@check("compression/affine", points=3)
def affine(student: Student, rng: np.random.Generator) -> None:
    """affine(lo, hi, bits) -> (scale, zero_point) of an unsigned grid 0 … 2^bits - 1 that holds 0.0."""

    def make(signs, bits, decades=(-3.0, 3.0), up=None):
        """decades: between which powers of ten the unit lies; up: whether the zero point is rounded up, where that is
        asked for."""

        def ranges(rng):
            while True:
                unit = _power(rng, *decades)
                lo, hi = sorted(unit * float(rng.uniform(0.5, 3)) * sign for sign in signs)
                exact = -lo / _affine(lo, hi, bits)[0] if lo < 0 < hi else 0.0
                if up in (None, exact % 1 > 0.5) and abs(exact % 1 - 0.5) > 1e-3:
                    return lo, hi, bits

        return ranges

    def answers(lo, hi, bits):
        scale, _ = right = _affine(lo, hi, bits)
        levels = (max(hi, 0.0) - min(lo, 0.0)) / 2**bits
        known = {"right": right, "levels-for-steps": (levels, round(-min(lo, 0.0) / levels))}
        if lo < 0 < hi:
            exact = -lo / scale
            other = math.floor(exact) if exact % 1 > 0.5 else math.ceil(exact)
            return {**known, "zero-not-rounded": Either([(scale, exact), (scale, other)])}
        if lo * hi == 0 or lo == hi:
            return known
        narrow = (hi - lo) / (2**bits - 1)
        zeros = round(-lo / narrow), -lo / narrow, min(max(round(-lo / narrow), 0), 2**bits - 1)
        return {**known, "range-excludes-zero": Either((narrow, zero) for zero in zeros)}

    def ask(bits, decades, *signs, up=None):
        inputs, known = draw(rng, make(signs, bits, decades, up), answers)
        near(student.affine(*inputs), known.pop("right"), suspects=known, what="(scale, zero_point)")

    def widths():
        """Narrow to wide in any order, one of each kind: no threshold is right for all. Scales stay above 1.2e-7, to
        which torch.ao raises smaller ones."""
        return rng.permutation([(-4.0, -2.25), (-2.25, -0.5), (-0.5, 1.25), (1.25, 3.0)])

    with case("ranges on both sides of zero", 1):
        for bits, decades, up in zip(_bits(rng, 4), widths(), (True, False, True, False), strict=True):
            ask(bits, decades, -1, 1, up=up)
    with case("ranges on one side of zero, that end there, and of a single number", 1):
        for bits, decades, signs in zip(_bits(rng, 4), widths(), ((1, 1), (-1, -1), (0, 1), (-1, 0)), strict=True):
            ask(bits, decades, *signs)
        for sign in (1, -1):
            number = sign * _power(rng, -3, 3)
            inputs = number, number, int(rng.integers(2, 9))
            try:
                got = student.affine(*inputs)
            except StudentError as error:
                if error.kind == "ZeroDivisionError":
                    raise Mismatch("there is no answer where lo = hi", "range-excludes-zero") from None
                raise
            near(got, _affine(*inputs), what="(scale, zero_point) where lo = hi")
    with case("a range of nothing but zero", 1):
        inputs, known = draw(rng, make((-1, 1), 8), answers)  # a constant is no answer
        got = near(student.affine(*inputs), (ANY, ANY), what="(scale, zero_point)")
        if not _positive(got[0]) or not 0.4 < plain(got[0]) / known["right"][0] < 2.5:
            raise Mismatch("the scale is far off beside a range of nothing but zero, in one that is wide")
        for bits in _bits(rng, 2):
            try:
                got = student.affine(0.0, 0.0, bits)
            except StudentError as error:
                if error.kind in ("ZeroDivisionError", "ValueError", "OverflowError"):
                    raise Mismatch("there is no answer for lo = hi = 0", "scale-zero-on-constants") from None
                raise
            got = near(got, (ANY, ANY), what="(scale, zero_point) for lo = hi = 0")
            if not _positive(got[0]):
                raise Mismatch("the scale for lo = hi = 0 is not positive and finite", "scale-zero-on-constants")
            zero = plain(got[1])
            if not isinstance(zero, (int, float)) or isinstance(zero, bool) or zero not in range(2**bits):
                raise Mismatch("the zero point for lo = hi = 0 is no integer of the grid")


# ---- 2 to integers and back

BEYOND = (-1e6, -4e4, -1e3, 1e3, 4e4, 1e6)  # steps: an outlier lies that far outside


@check("compression/quantise", points=2)
def quantise(student: Student, rng: np.random.Generator) -> None:
    """quantise(x, scale, zero_point, bits) -> uint8; dequantise(q, scale, zero_point) -> float32."""

    def make(shape, bits, zero):
        def inputs(rng):
            scale, n = _power(rng, -4, 2), math.prod(shape)
            steps = torch.from_numpy(rng.integers(-zero - 2, 2**bits - zero + 2, n)).double()
            steps[torch.from_numpy(rng.permutation(n)[: len(BEYOND)])] = torch.tensor(BEYOND).double()
            off = torch.from_numpy(rng.uniform(0.02, 0.48, n) * rng.choice([-1, 1], n))
            return ((steps + off) * scale).float().view(shape), scale, zero, bits

        return inputs

    def answers(x, scale, zero, bits):
        steps, most = x.double() / scale, 2**bits - 1

        def grid(q, most=most):
            return q.clamp(0, most).to(torch.uint8)

        whole = steps.round().long() + zero
        return {
            "right": grid(whole),
            "truncated": Either([grid(steps.trunc() + zero), grid(steps.floor() + zero)]),
            "wrapped-around": Either([whole.to(torch.uint8), grid(whole.to(torch.int16))]),
            **({"ends-of-a-byte": grid(whole, 255)} if bits < 8 else {}),
        }

    with case("to integers: rounded, shifted, clamped, for any number of bits, zero point and shape", 1):
        for bits, shape, edge in zip(_bits(rng, 3), ((4, 15), (60,), (2, 3, 2, 5)), (None, 0, 1), strict=True):
            zero = int(rng.integers(2**bits // 4, 2**bits // 2 + 1)) if edge is None else edge * (2**bits - 1)
            inputs, known = draw(rng, make(shape, bits, zero), answers)
            near(student.quantise(*inputs), known.pop("right"), suspects=known, what="q")
        asking.unchanged(student, student.quantise, *inputs)
        near(student.quantise(torch.zeros(0, 3), 1.0, 0, 8), torch.zeros(0, 3, dtype=torch.uint8), what="q of nothing")
    with case("and back: float32, and zero is exact", 1):
        for zero, shape in ((int(rng.integers(60, 190)), (3, 20)), (0, (60,)), (255, (2, 5, 3, 2))):
            scale, q = _power(rng, -4, 2), torch.from_numpy(rng.integers(0, 256, 60, dtype=np.uint8))
            place = int(rng.integers(60))
            q[place] = zero
            wide, q = q.to(torch.int32) - zero, q.view(shape)
            right, wrapped, shifted = (scale * v.view(shape).float() for v in (wide, wide % 256, wide + zero))
            suspects = {"subtracted-in-bytes": wrapped, "shift-forgotten": shifted} if zero else {}
            got = near(student.dequantise(q, scale, zero), right, suspects=suspects, what="x", n=2)  # q · s - z · s too
            if torch.as_tensor(got).flatten()[place] != 0.0:
                raise Mismatch("the zero point should come back as exactly 0.0")


# ---- 3 a scale for each channel


@check("compression/per_channel", points=3)
def per_channel(student: Student, rng: np.random.Generator) -> None:
    """per_channel(weight, axis) -> (int8 in -127 … 127, float32 scales by channel)."""

    def on_grid(weight, scale, axis, least=-127):
        """least: the grid's lowest integer; None: without ends, as a cast to bytes that wraps around."""
        along = scale if scale.dim() == 0 else scale.view([-1 if d == axis else 1 for d in range(weight.dim())])
        q = (weight.double() / along.double()).round()
        return (q.long() if least is None else q.clamp(least, 127)).to(torch.int8)

    def extent(weight, axis, of=torch.abs):
        return of(weight).amax([d for d in range(weight.dim()) if d != axis])

    def make(rng, shape, axis):
        while True:
            sizes = torch.from_numpy(10.0 ** rng.uniform(-4, 2, shape[axis])).float()
            weight = asking.normal(rng, *shape) * sizes.view([-1 if d == axis else 1 for d in range(len(shape))])
            weight = torch.where(extent(weight, axis, torch.neg)[0] > 0, -weight, weight)  # some extremes are negative
            scale = extent(weight, axis) / 127
            quotients = weight / scale.view([-1 if d == axis else 1 for d in range(len(shape))])
            if _from_ties(quotients) and (extent(weight, axis, torch.neg) > extent(weight, axis, torch.clone)).any():
                return weight, axis

    def answers(weight, axis):
        def by(scale, along=axis, least=-127):
            return on_grid(weight, scale, along, least), scale

        scale, whole = extent(weight, axis) / 127, weight.abs().max() / 127
        signed = extent(weight, axis, torch.clone) / 127
        wide, along = extent(weight, axis) / 128, scale.view([-1 if d == axis else 1 for d in range(weight.dim())])
        others = [d for d in range(weight.dim()) if d != axis]
        return {
            "right": by(scale),
            "wrong-axis": Either([by(extent(weight, d) / 127, d) for d in others]),
            "one-scale": Either([by(whole), (by(whole)[0], whole.expand(weight.shape[axis]))]),
            "signed-maximum": Either([by(signed), by(signed, least=-128), by(signed, least=None)]),
            "grid-to-minus-128": Either(
                [by(wide, least=end) for end in (-128, -127, None)] + [by(extent(weight, axis) / 127.5, least=-128)]
            ),
            "truncated": Either((cut(weight / along).to(torch.int8), scale) for cut in (torch.trunc, torch.floor)),
        }

    def ask(axis, *shape):
        inputs, known = draw(rng, lambda rng: make(rng, shape, axis), answers)
        near(student.per_channel(*inputs), known.pop("right"), suspects=known, what="(q, scale)")
        return inputs

    sizes = [int(n) for n in rng.choice(range(3, 9), 4, replace=False)]
    with case("a convolution's filters, axis 0", 1):
        asking.unchanged(student, student.per_channel, *ask(0, sizes[0], sizes[1], 3, 3))
    with case("other shapes and axes", 1):
        ask(1, *sizes[:2])
        ask(2, *sizes[1:])
        ask(int(rng.integers(1, 3)), *sizes)
    with case("a channel of zeros, and nothing but zeros", 1):
        weight, axis = make(rng, (4, 9), 0)
        dead = int(rng.integers(4))
        weight[dead] = 0.0
        for given in (weight, torch.zeros(3, 4)):
            q, scale = near(student.per_channel(given, axis), (ANY, ANY), what="(q, scale)")
            want = extent(given, axis) / 127
            if isinstance(scale, Tensor | np.ndarray) and scale.shape == want.shape:
                zeros, scale = want == 0, torch.as_tensor(scale)
                if not all(map(_positive, scale[zeros].tolist())):
                    said = "the scale of a channel of zeros is not positive and finite"
                    raise Mismatch(said, "scale-zero-on-constants")
                want = torch.where(zeros, scale, want)  # any will do
            near((q, scale), (on_grid(given, want.clamp(min=1e-9), axis), want), what="(q, scale)")


# ---- 4 a range under outliers

# Right versions of steps 1 and 2 in the place of the student's, so that an error there costs its own points only.
GIVEN = """
import torch

def affine(lo, hi, bits):
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    scale = (hi - lo) / (2**bits - 1) or 1.0
    return scale, round(-lo / scale)

def quantise(x, scale, zero_point, bits):
    return (torch.round(x / scale) + zero_point).clamp(0, 2**bits - 1).to(torch.uint8)

def dequantise(q, scale, zero_point):
    return scale * (q.to(torch.int32) - zero_point).float()
"""
SHARES = torch.arange(0.04, 1.001, 0.04)  # of the widest range
ENOUGH = 1.25  # times the least error


def _errors(x: Tensor, lo: Tensor, hi: Tensor, bits: int) -> Tensor:
    """Mean square of x - x̂ for each of several ranges that hold 0."""
    scale = (hi - lo) / (2**bits - 1)
    zero = (-lo / scale).round()
    q = (x / scale[:, None]).round_().add_(zero[:, None]).clamp_(0, 2**bits - 1)
    return q.sub_(zero[:, None]).mul_(scale[:, None]).sub_(x).square_().mean(1)


def _ends(x: Tensor) -> tuple[float, float]:
    return x.min().item(), x.max().item()


@check("compression/calibrate", points=2)
def calibrate(student: Student, rng: np.random.Generator) -> None:
    """calibrate(batches, bits) -> (lo, hi) whose mean square error is within a quarter of the least."""
    given = student.define(GIVEN)

    def make(outliers, positive):
        """Four batches of several shapes: none reaches as far as all of them do, in units that differ."""
        unit, shapes = _power(rng, -2, 2), ((40, 50), (50, 40), (10, 10, 4, 5), (2000,))
        made = [asking.normal(rng, 2000) * s for s in rng.permutation([0.6, 0.8, 1.0, 1.2])]
        made = [b.clamp(min=-0.2 * (k % 2), max=math.inf if k % 2 else 0.2) for k, b in enumerate(made)]
        made = [b.abs() for b in made] if positive else made
        for k, place in enumerate(rng.integers(0, 2000, outliers)):
            made[int(rng.integers(4))][place] = float(rng.uniform(6, 14)) * (1 if positive or k % 2 else -1)
        return [unit * made[k].view(shape) for k, shape in zip(rng.permutation(4), shapes, strict=True)]

    def told(questions):
        """Whether no one share of the range does in all questions, nor one that was found for another number of bits:
        then the range has been looked for."""
        good, by_bits = [], []
        for batches, bits in questions:
            x = torch.cat([b.flatten() for b in batches])
            lo, hi = (end * SHARES for end in _ends(x))
            errors = {b: _errors(x, lo, hi, b) for b in range(3, 7)}
            good.append(errors[bits] <= 1.1 * ENOUGH * errors[bits].min())
            by_bits.append([bool(good[-1][errors[b].argmin()]) for b in range(3, 7)])
        one_share = torch.stack(good).all(0).any()
        return not one_share and not any(all(does) for does in zip(*by_bits, strict=True))

    def ask(*how):
        for _ in range(100):
            bits = rng.permutation([3, 6, int(rng.integers(4, 6))])
            questions = [(make(*one), int(b)) for one, b in zip(how, bits, strict=True)]
            if told(questions):
                break
        else:
            raise RuntimeError("no batches in 100 draws where a range has to be looked for")
        for batches, bits in questions:
            with student.given(affine=given.affine, quantise=given.quantise, dequantise=given.dequantise):
                got = student.calibrate(batches, bits)
            lo, hi = map(plain, near(got, (ANY, ANY), what="(lo, hi)"))
            if not (isinstance(lo, (int, float)) and isinstance(hi, (int, float)) and -math.inf < lo < hi < math.inf):
                raise Mismatch("lo and hi should be finite numbers, lo below hi")
            x = torch.cat([b.flatten() for b in batches])
            widest = _ends(x)
            least = _errors(x, widest[0] * SHARES, widest[1] * SHARES, bits).min().item()
            error = _errors(x, torch.tensor([min(lo, 0.0)]), torch.tensor([max(hi, 0.0)]), bits).item()
            if not error <= ENOUGH * least:
                said = f"the mean square error on {show_value(bits)} bits is {show_value(error)} with this range; the "
                said += f"least is {show_value(least)}, and up to {show_value(ENOUGH * least)} is enough"
                raise Mismatch(said, named((lo, hi), widest, batches))
        with student.given(affine=given.affine, quantise=given.quantise, dequantise=given.dequantise):
            asking.unchanged(student, student.calibrate, *questions[0])

    def named(got, widest, batches):
        """Which wrong range it is: all that was seen, or a share of what one batch shows."""
        apart = [ends for ends in map(_ends, batches) if ends != widest]  # one batch may hold both ends
        if difference(got, widest, "", 1, 2.0**-20, True) is None:
            return "minmax-with-outliers" if len(apart) == len(batches) else None
        for ends in apart:
            share = got[1] / ends[1]
            alike = ends[0] < 0 and 0 < share < 1.001 and abs(got[0] - share * ends[0]) < 1e-4 * abs(got[0])
            if alike or difference(got, ends, "", 1, 2.0**-20, True) is None:
                return "one-batch-only"
        return None

    with case("numbers on both sides of zero, a few outliers in some batches", 1):
        ask((3, False), (1, False), (3, False))
    with case("what a ReLU gives, with an outlier and without", 1):
        ask((1, True), (0, True), (2, True))


# ---- 5 a layer in integers


@check("compression/integer_linear", points=4)
def integer_linear(student: Student, rng: np.random.Generator) -> None:
    """quantise_bias(bias, s_x, s_w) -> int32; integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y) -> uint8."""

    def biases(rng):
        while True:  # some beyond 16 bits; away from ties by more than fp32's error in so many units
            bias, s_x = asking.normal(rng, 6), float(rng.uniform(0.01, 0.02))
            s_w = torch.from_numpy(10.0 ** rng.uniform(-3, -2, 6)).float()
            units = bias.double() / (s_x * s_w.double())
            if ((units - units.floor() - 0.5).abs() > 0.05).all() and 4e4 < units.abs().max() < 2e5:
                return bias, s_x, s_w

    def integers_of(bias, s_x, s_w):
        def to(unit, least=-(2**31), most=2**31 - 1):
            return (bias.double() / unit).round().clamp(least, most).to(torch.int32)

        unit = s_x * s_w.double()
        others = s_x, s_w.double(), 1 / unit, unit.mean(), unit.max(), bias.abs().max().double() / 127
        return {
            "right": to(unit),
            "bias-in-another-scale": Either(map(to, others)),
            "bias-in-a-byte": Either([to(unit, -128, 127), to(unit, -127, 127)]),
            "truncated": (bias.double() / unit).trunc().to(torch.int32),
        }

    def make(inputs, z_x, z_y, reach):
        """Results of at most `reach` on either side of z_y. inputs: few ones are small numbers, with sums that need
        nine bits and multipliers above 1; 2,000 fill more than 24 bits."""
        few, many = inputs < 10, inputs > 1000
        wide, most, bias = (12, 6, 30) if few else (256, 127, 200_000_000 if many else 20_000)

        def layer(rng):
            while True:
                rows, outputs = rng.choice(range(4, 9), 2, replace=False)
                zero = int(rng.integers(60, 190)) if z_x is None else z_x
                least = zero - wide if few else 0
                q_x = torch.from_numpy(rng.integers(least, least + 2 * wide if few else 256, (rows, inputs)))
                q_w = torch.from_numpy(rng.integers(-most, most + 1, (outputs, inputs)))
                q_b = torch.from_numpy(rng.integers(-bias, bias, outputs))
                products = (q_x - zero) @ q_w.T
                acc = products + q_b
                multiplier = (reach * torch.from_numpy(rng.uniform(0.9, 1.0, outputs)) / acc.abs().amax(0)).float()
                y = multiplier.double() * acc
                clear = _from_ties(y) and _from_ties(y + 0.5)  # of rounding's ties and of those of cutting off
                both = reach < 150 or ((y + z_y < -5).any() and (y + z_y > 260).any())
                if clear and both and (not few or (multiplier.max() > 1 and products.abs().max() > 140)):
                    return q_x.to(torch.uint8), zero, q_w.to(torch.int8), q_b.to(torch.int32), multiplier, z_y

        return layer

    def answers(q_x, z_x, q_w, q_b, multiplier, z_y):
        x, w, m = q_x.long() - z_x, q_w.long(), multiplier.double()

        def out(acc, rounded=torch.round):
            return (rounded(m * acc) + z_y).clamp(0, 255).to(torch.uint8)

        def kept(acc, bits):
            return (acc + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

        right, whole = x @ w.T + q_b, (m * (x @ w.T + q_b)).round().long() + z_y
        narrow = [kept(right, bits) for bits in (8, 16)]
        narrow += [kept(kept(x, one) @ w.T, two) + q_b for one, two in ((8, 8), (16, 16), (62, 8), (62, 16))]
        narrow = [o for o in map(out, narrow) if len(o.unique()) > 5 and not torch.equal(o, out(right))]  # telling ones
        in_16_bits = [whole.to(torch.int16).clamp(0, 255).to(torch.uint8)] if whole.abs().max() >= 2**15 else []
        return {
            "right": out(right),
            "narrow-accumulator": Either(narrow),
            "zero-point-forgotten": out(q_x.long() @ w.T + q_b),
            "subtracted-in-bytes": out((x % 256) @ w.T + q_b),
            "truncated": Either([out(right, torch.floor), out(right, torch.trunc)]),
            "wrapped-around": Either([whole.to(torch.uint8), *in_16_bits]),
        }

    def ask(layer, *suspects):
        def known_answers(*inputs):
            return {k: v for k, v in answers(*inputs).items() if k == "right" or k in suspects}

        inputs, known = draw(rng, layer, known_answers)
        near(student.integer_linear(*inputs), known.pop("right"), suspects=known, what="q_y")
        return inputs

    middle = int(rng.integers(110, 145))
    with case("the bias in units of s_x · s_w", 1):
        inputs, known = draw(rng, biases, integers_of)
        near(student.quantise_bias(*inputs), known.pop("right"), suspects=known, what="q_b")
        asking.unchanged(student, student.quantise_bias, *inputs)
    with case("sums of few, of 90 and of 2,000 products, results within the grid", 2):
        mistakes = ("narrow-accumulator", "truncated", "zero-point-forgotten", "subtracted-in-bytes")
        ask(make(int(rng.integers(5, 8)), None, middle, 100), *mistakes)
        ask(make(int(rng.integers(80, 100)), None, middle, 100), *mistakes)
        asking.unchanged(student, student.integer_linear, *ask(make(2000, 0, middle, 100), *mistakes[:2]))
    with case("results beyond the ends of the grid", 1):
        for z_x, z_y, reach in ((None, middle, 400), (255, 0, 400), (0, 255, 1e5)):
            ask(make(90, z_x, z_y, reach), "wrapped-around")


# ---- 6 batch norm, folded


@check("compression/fold", points=2)
def fold(student: Student, rng: np.random.Generator) -> None:
    """fold(weight, bias, mean, var, gamma, beta, eps) -> (weight, bias) of one layer that does both."""

    def make(shape, with_bias, least):
        def layer(rng):
            c = shape[0]
            mean, gamma, beta, bias = (asking.normal(rng, c) + shift for shift in (0.5, 1.5, 0.0, 0.7))
            gamma[int(rng.integers(c))] *= -1
            var = torch.from_numpy(10.0 ** rng.uniform(least, 0.5, c)).float()
            return asking.normal(rng, *shape), bias if with_bias else None, mean, var, gamma, beta, _power(rng, -4, -2)

        return layer

    def answers(weight, bias, mean, var, gamma, beta, eps):
        b = torch.zeros_like(mean) if bias is None else bias

        def scaled(factor):
            return weight * factor.view([-1] + [1] * (weight.dim() - 1))

        factor = gamma / torch.sqrt(var + eps)
        new = beta + (b - mean) * factor

        def by(other):
            return scaled(other), beta + (b - mean) * other

        forgotten = [b, beta, beta + b * factor, beta - mean * factor, beta + b - mean * factor, beta + b - mean]
        forgotten += [beta + mean * factor, beta + (b + mean) * factor]
        return {
            "right": (scaled(factor), new),
            "norm-not-folded": Either([(weight, any_bias) for any_bias in (b, new, beta)]),
            "variance-for-deviation": by(gamma / (var + eps)),
            "epsilon-forgotten": by(gamma / torch.sqrt(var)),
            "mean-not-folded": Either((scaled(factor), other) for other in forgotten if not torch.equal(other, new)),
        }

    def ask(*how):
        within = {"eps": 2.0**-20, "n": 3}
        inputs, known = draw(rng, make(*how), answers, **within)
        near(student.fold(*inputs), known.pop("right"), suspects=known, what="(weight, bias)", **within)
        asking.unchanged(student, student.fold, *inputs)

    with case("a convolution, without a bias and with one", 1):
        ask((6, 3, 3, 3), False, -0.5)
        ask((5, 2, 3, 3), True, -0.5)
    with case("a linear layer, with a bias and without, channels that hardly vary", 1):
        ask((5, 8), True, -3.5)
        ask((7, 4), False, -3.5)


# ---- 7 fewer weights


@check("compression/prune", points=2)
def prune(student: Student, rng: np.random.Generator) -> None:
    """prune(weights, share) -> bool masks, True where a weight stays: the least magnitudes of all of them go."""

    def of(n, part):
        """A share of n that is `part` of a weight beyond a whole number of them."""
        return (int(rng.integers(n // 3, 2 * n // 3)) + part) / n

    def make(zeros, part):
        def layers(rng):
            sizes, shapes = 10.0 ** rng.uniform(-0.5, 0.5, 3), [(6, 5), (4, 3, 2), (9,)]
            weights = [asking.normal(rng, *s) * k for s, k in zip(shapes, sizes, strict=True)]
            weights[0].view(-1)[torch.from_numpy(rng.permutation(30)[:zeros])] = 0.0
            return [weights[k] for k in rng.permutation(3)], of(63, part)

        return layers

    def cut(scores, share):
        """Masks without the round(share · n) lowest scores."""
        flat = torch.cat([s.flatten() for s in scores])
        stays = torch.ones(len(flat), dtype=torch.bool)
        stays[flat.argsort()[: round(share * len(flat))]] = False
        return [m.view(s.shape) for m, s in zip(stays.split([s.numel() for s in scores]), scores, strict=True)]

    def answers(weights, share):
        sizes = [w.abs() for w in weights]
        right = cut(sizes, share)
        return {
            "right": right,
            "per-layer-share": [cut([s], share)[0] for s in sizes],
            "signed-order": cut(weights, share),
            "mask-upside-down": Either([[~m for m in right], cut([-s for s in sizes], share)]),
        }

    with case("the least magnitudes of three layers together", 1):
        for zeros, part in ((0, 0.2), (10, 0.8)):
            inputs, known = draw(rng, make(zeros, part), answers)
            near(student.prune(*inputs), known.pop("right"), suspects=known, what="the list of masks")
            asking.unchanged(student, student.prune, *inputs)
    with case("exactly round(share · n) go, also among equals; none and all", 1):
        few = [torch.tensor([2.0] * 20 + [1.0] * 5)[rng.permutation(25)].view(5, 5), torch.ones(37)]
        few = [t * torch.from_numpy(rng.choice([-1.0, 1.0], t.shape)).float() for t in few]
        few = few[:: int(rng.choice([-1, 1]))]
        counted = False  # once as many as asked for have gone where no two are equal: then equals are the reason
        unequal = [t * torch.from_numpy(rng.uniform(1, 2, t.shape)).float() for t in few]
        for of_all, share in ((unequal, of(62, 0.2)), (few, of(62, 0.2)), (few, of(62, 0.8)), (few, 0.0), (few, 1.0)):
            masks = near(student.prune(of_all, share), [ANY, ANY], what="the list of masks")
            for mask, weight in zip(masks, few, strict=True):
                if isinstance(mask, Ref) or str(getattr(mask, "dtype", "")) not in ("torch.bool", "bool"):
                    near(mask, torch.ones(weight.shape, dtype=torch.bool), what="a mask")
                near(torch.as_tensor(mask).shape, tuple(weight.shape), what="the shape of a mask")
            stays = torch.cat([torch.as_tensor(mask).flatten() for mask in masks])
            magnitude = torch.cat([t.flatten() for t in of_all]).abs()
            gone, want = int((~stays).sum()), round(share * 62)
            if gone != want:
                said = f"{show_value(gone)} of 62 weights go, and {show_value(want)} were asked for"
                raise Mismatch(said, "ties-at-the-threshold" if counted and gone in (0, 42) else None)
            if 0 < gone < 62 and magnitude[~stays].max() > magnitude[stays].min():
                raise Mismatch("a weight went that is larger than one that stays")
            counted = 0 < share < 1


# ---- 8 bytes on disk

MOST = 0.4  # bytes a weight at 80 % zeros: a bit mask with the nonzero bytes behind it takes 0.325


@check("compression/pack", points=2)
def pack(student: Student, rng: np.random.Generator) -> None:
    """pack(q) -> bytes; unpack(bytes) -> q, int8 of any shape; weights of which most are 0 take few bytes.

    Another process unpacks: a file is read where nothing is known but its bytes.
    """

    def sparse(*shape):
        q = torch.from_numpy(np.clip(np.rint(rng.standard_normal(shape) * 40), -127, 127)).to(torch.int8)
        return torch.where(torch.from_numpy(rng.random(shape) < 0.2), q, torch.zeros_like(q))

    def packed(q):
        data = student.pack(q)
        if not isinstance(data, bytes):
            kind = "an object" if isinstance(data, Ref) else type(data).__name__
            raise Mismatch(f"pack should return bytes, and returned {show_value(kind)}")
        return data

    def unpacked(other, files, wants):
        for data, want in reversed(list(zip(files, wants, strict=True))):  # not in the order of packing
            got = near(other.unpack(data), want if want.dim() else ANY, what="the tensor after pack and unpack")
            if want.dim() == 0:
                got = torch.as_tensor(got) if isinstance(got, Tensor | np.ndarray) else torch.zeros(1)
                if got.shape or got.dtype != torch.int8 or got != want:
                    raise Mismatch("a tensor of no dimensions should come back as one: int8, of shape ()")

    with student.afresh() as other:
        with case("what was packed comes back: any shape, all zeros, no entry at all", 1):
            a, b, c, d = (int(n) for n in rng.choice(range(2, 9), 4, replace=False))
            full = torch.from_numpy(rng.integers(-128, 128, 300, dtype=np.int8))
            full[int(rng.integers(300))] = -128
            few = [sparse(a, b, c), sparse(d, c, b, a), torch.zeros(c, d, dtype=torch.int8), sparse(1, 1), sparse(1)[0]]
            few += [torch.zeros(0, 70_000, dtype=torch.int8), full]
            same = [few[0], few[0].reshape(c, b, a), few[0].flatten()]
            if len({packed(q) for q in same}) < len(same):
                raise Mismatch("tensors of different shapes gave the same bytes, which therefore do not hold the shape")
            unpacked(other, [packed(q) for q in few], few)
        with case("at 80 % zeros the file has at most 0.4 bytes a weight", 1):
            q = sparse(64, 9, 32)
            data = packed(q)
            unpacked(other, [data], [q])
            size, n, least = len(data), q.numel(), compression.shannon_bytes(q)
            if size > MOST * n:
                said = f"the file has {show_value(size)} bytes for {n} weights, and {int(MOST * n)} are enough"
                raise Mismatch(said, "masked-zeros-counted" if 0.99 * n <= size <= 1.2 * n + 200 else None)
            if size < 0.95 * least:
                raise Mismatch("the file has fewer bytes than its numbers hold information: they are kept elsewhere")
