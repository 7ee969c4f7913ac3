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
from quintet.checks import ANY, Either, Misconception, Mismatch, case, check, draw, near, show_value
from quintet.checks.near import difference, plain
from quintet.student import Ref, Student, StudentError

LECTURE = "lecture 2.2 compression, section "
MISCONCEPTIONS = {
    "zero-not-rounded": Misconception(
        "the zero point was not rounded to the nearest integer",
        "It stands for 0.0, so it has to be one of the grid's integers; cut off instead of rounded, it moves every "
        "number by up to a step.",
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
        "The error then reaches a whole step instead of half of one, and all of it on one side.",
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
        "One outlier then stretches the steps of all the others. Clip it: its own error is large, and it is alone.",
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
        "the new bias is wrong: the running mean or the old bias was left out or not rescaled",
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


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape)).float()


def _from_ties(x: Tensor) -> bool:
    """Whether all numbers are at least 0.001 away from the middle between two integers."""
    return bool(((x.double() - x.double().floor() - 0.5).abs() > 1e-3).all())


# ---- 1 scale and zero point


def _affine(lo: float, hi: float, bits: int) -> tuple[float, int]:
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-lo / scale)


def _positive(scale: Any) -> bool:
    return isinstance(plain(scale), (int, float)) and 0 < plain(scale) < math.inf


@check("compression/affine", points=3)
def affine(student: Student, rng: np.random.Generator) -> None:
    """affine(lo, hi, bits) -> (scale, zero_point) of an unsigned grid 0 … 2^bits - 1 that holds 0.0."""

    def make(signs):
        def ranges(rng):
            while True:
                ends = sorted(float(rng.uniform(0.5, 3)) * sign for sign in signs)
                bits = int(rng.choice([8, 6, 5]))
                if min(signs) == max(signs) or _from_ties(torch.tensor(-ends[0] / _affine(*ends, bits)[0])):
                    return *ends, bits

        return ranges

    def answers(lo, hi, bits):
        scale, _ = right = _affine(lo, hi, bits)
        levels = (max(hi, 0.0) - min(lo, 0.0)) / 2**bits
        known = {"right": right, "levels-for-steps": (levels, round(-min(lo, 0.0) / levels))}
        if lo < 0 < hi:
            exact = -lo / scale
            return {**known, "zero-not-rounded": Either([(scale, exact), (scale, math.floor(exact))])}
        narrow = (hi - lo) / (2**bits - 1)
        zeros = round(-lo / narrow), -lo / narrow, min(max(round(-lo / narrow), 0), 2**bits - 1)
        return {**known, "range-excludes-zero": Either((narrow, zero) for zero in zeros)}

    def ask(*signs):
        inputs, known = draw(rng, make(signs), answers)
        near(student.affine(*inputs), known.pop("right"), suspects=known, what="(scale, zero_point)")

    with case("ranges on both sides of zero", 1):
        for _ in range(3):
            ask(-1, 1)
    with case("ranges that do not hold zero", 1):
        ask(1, 1)
        ask(-1, -1)
    with case("a range of nothing but zero", 1):
        try:
            got = student.affine(0.0, 0.0, 8)
        except StudentError as error:
            if error.kind in ("ZeroDivisionError", "ValueError", "OverflowError"):
                raise Mismatch("there is no answer for lo = hi = 0", "scale-zero-on-constants") from None
            raise
        near(got, (ANY, ANY), what="(scale, zero_point) for lo = hi = 0")
        if not _positive(got[0]):
            raise Mismatch("the scale for lo = hi = 0 is not positive and finite", "scale-zero-on-constants")
        if plain(got[1]) not in range(256):
            raise Mismatch("the zero point for lo = hi = 0 is not on the grid 0 … 255")


# ---- 2 to integers and back


@check("compression/quantise", points=2)
def quantise(student: Student, rng: np.random.Generator) -> None:
    """quantise(x, scale, zero_point, bits) -> uint8; dequantise(q, scale, zero_point) -> float32."""

    def make(rng):
        bits = int(rng.choice([8, 5]))
        scale, zero = float(rng.uniform(0.01, 0.2)), int(rng.integers(2**bits // 4, 2**bits // 2))
        steps = torch.from_numpy(rng.integers(-zero - 20, 2**bits - zero + 20, (4, 15)))
        off = torch.from_numpy(rng.uniform(0.1, 0.4, (4, 15)) * rng.choice([-1, 1], (4, 15)))
        return ((steps + off) * scale).float(), scale, zero, bits

    def answers(x, scale, zero, bits):
        steps, most = x.double() / scale, 2**bits - 1

        def grid(q, most=most):
            return q.clamp(0, most).to(torch.uint8)

        return {
            "right": grid(steps.round() + zero),
            "truncated": Either([grid(steps.trunc() + zero), grid(steps.floor() + zero)]),
            "wrapped-around": (steps.round() + zero).long().to(torch.uint8),
            **({"ends-of-a-byte": grid(steps.round() + zero, 255)} if bits < 8 else {}),
        }

    with case("to integers: rounded, shifted, clamped, on 8 bits and on 5", 1):
        seen: set[int] = set()
        while seen != {5, 8}:
            inputs, known = draw(rng, make, answers)
            if inputs[3] not in seen:
                seen.add(inputs[3])
                near(student.quantise(*inputs), known.pop("right"), suspects=known, what="q")
    with case("and back: float32, and zero is exact", 1):
        scale, zero = float(rng.uniform(0.01, 0.2)), int(rng.integers(60, 190))
        q = torch.from_numpy(rng.integers(0, 256, (3, 20), dtype=np.uint8))
        q[1, 2] = zero
        wide = q.to(torch.int32) - zero
        suspects = {"subtracted-in-bytes": scale * (wide % 256).float(), "zero-point-forgotten": scale * q.float()}
        got = student.dequantise(q, scale, zero)
        near(got, scale * wide.float(), suspects=suspects, what="x")
        if got[1, 2] != 0.0:
            raise Mismatch(f"the zero point should come back as 0.0, and came as {show_value(got[1, 2].item())}")


# ---- 3 a scale for each channel


@check("compression/per_channel", points=3)
def per_channel(student: Student, rng: np.random.Generator) -> None:
    """per_channel(weight, axis) -> (int8 in -127 … 127, float32 scales by channel)."""

    def on_grid(weight, scale, axis, least=-127):
        along = scale if scale.dim() == 0 else scale.view([-1 if d == axis else 1 for d in range(weight.dim())])
        return (weight.double() / along.double()).round().clamp(least, 127).to(torch.int8)

    def extent(weight, axis, of=torch.abs):
        return of(weight).amax([d for d in range(weight.dim()) if d != axis])

    def make(rng, shape, axis):
        while True:
            sizes = torch.from_numpy(10.0 ** rng.uniform(-2, 0.5, shape[axis])).float()
            weight = _normal(rng, *shape) * sizes.view([-1 if d == axis else 1 for d in range(len(shape))])
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
        wide = extent(weight, axis) / 128
        others = [d for d in range(weight.dim()) if d != axis]
        return {
            "right": by(scale),
            "wrong-axis": Either([by(extent(weight, d) / 127, d) for d in others]),
            "one-scale": Either([by(whole), (by(whole)[0], whole.expand(weight.shape[axis]))]),
            "signed-maximum": by(signed),
            "grid-to-minus-128": Either([by(wide, least=-128), by(wide), by(extent(weight, axis) / 127.5, least=-128)]),
        }

    def ask(shape, axis):
        inputs, known = draw(rng, lambda rng: make(rng, shape, axis), answers)
        near(student.per_channel(*inputs), known.pop("right"), suspects=known, what="(q, scale)")

    with case("a convolution's filters, axis 0", 1):
        ask((6, 4, 3, 3), 0)
    with case("other shapes and axes", 1):
        ask((5, 7), 1)
        ask((3, 6, 2), 2)
    with case("a channel of zeros", 1):
        weight, axis = make(rng, (4, 9), 0)
        dead = int(rng.integers(4))
        weight[dead] = 0.0
        got = student.per_channel(weight, axis)
        near(got, (ANY, ANY), what="(q, scale)")
        scale = extent(weight, axis) / 127
        if isinstance(got[1], Tensor) and got[1].shape == scale.shape:
            if not _positive(got[1][dead]):
                raise Mismatch("the scale of a channel of zeros is not positive and finite", "scale-zero-on-constants")
            scale[dead] = got[1][dead]  # any will do
        near(got, (on_grid(weight, scale.clamp(min=1e-9), axis), scale), what="(q, scale)")


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
_here: dict = {"__name__": __name__}
exec(GIVEN, _here)


def _error(batches: list[Tensor], lo: float, hi: float, bits: int) -> float:
    """Mean square of x - x̂ over all batches."""
    scale, zero = _here["affine"](lo, hi, bits)
    x = torch.cat([b.flatten() for b in batches])
    back = _here["dequantise"](_here["quantise"](x, scale, zero, bits), scale, zero)
    return (back - x).double().square().mean().item()


@check("compression/calibrate", points=2)
def calibrate(student: Student, rng: np.random.Generator) -> None:
    """calibrate(batches, bits) -> (lo, hi) whose mean square error is within a quarter of the least."""
    given = student.define(GIVEN)

    def ends(x):
        return x.min().item(), x.max().item()

    def make(positive, outliers):
        def batches(rng):
            made = [_normal(rng, 40, 25) * s for s in (0.5, *rng.uniform(0.6, 1.5, 3))]
            made = [b.clamp(min=0) for b in made] if positive else made
            for batch, row in enumerate(rng.integers(0, 40, outliers)):
                made[1 + batch][row, 3] = float(rng.uniform(25, 40) * (1 if positive or batch % 2 else -1))
            return made, 4

        return batches

    def ask(*how):
        batches, bits = make(*how)(rng)
        with student.given(affine=given.affine, quantise=given.quantise, dequantise=given.dequantise):
            got = student.calibrate(batches, bits)
        near(got, (ANY, ANY), what="(lo, hi)")
        widest = ends(torch.cat([b.flatten() for b in batches]))
        lo, hi = map(plain, got)
        if not (isinstance(lo, (int, float)) and isinstance(hi, (int, float)) and -math.inf < lo < hi < math.inf):
            raise Mismatch("lo and hi should be finite numbers, lo below hi")
        shares = [i / 100 for i in range(1, 101)]
        least = min(_error(batches, widest[0] * s, widest[1] * s, bits) for s in shares)
        error = _error(batches, lo, hi, bits)
        if error <= 1.25 * least:
            return
        named = None
        if difference((lo, hi), widest, "", 1, 2.0**-20, True) is None:
            named = "minmax-with-outliers"
        elif any(difference((lo, hi), ends(b), "", 1, 2.0**-20, True) is None for b in batches):
            named = "one-batch-only"
        said = f"the mean square error with this range is {show_value(error)}, and {show_value(least)} is possible"
        raise Mismatch(said, named)

    with case("numbers on both sides of zero, a few outliers in some batches", 1):
        ask(False, 3)
    with case("what a ReLU gives, with an outlier and without", 1):
        ask(True, 1)
        ask(True, 0)


# ---- 5 a layer in integers


@check("compression/integer_linear", points=4)
def integer_linear(student: Student, rng: np.random.Generator) -> None:
    """quantise_bias(bias, s_x, s_w) -> int32; integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y) -> uint8."""

    def biases(rng):
        while True:
            bias, s_x = _normal(rng, 6) * 2, float(rng.uniform(0.01, 0.05))
            s_w = torch.from_numpy(rng.uniform(1e-3, 1e-2, 6)).float()
            if _from_ties(bias.double() / (s_x * s_w.double())):
                return bias, s_x, s_w

    def integers_of(bias, s_x, s_w):
        def to(unit, least=-(2**31), most=2**31 - 1):
            return (bias.double() / unit).round().clamp(least, most).to(torch.int32)

        unit = s_x * s_w.double()
        return {
            "right": to(unit),
            "bias-in-another-scale": Either([to(s_x), to(s_w.double()), to(1 / unit), to(unit.mean())]),
            "bias-in-a-byte": Either([to(unit, -128, 127), to(unit, -127, 127)]),
            "truncated": (bias.double() / unit).trunc().to(torch.int32),
        }

    def make(low, high):
        """Inputs whose results lie in low … high, where 0 … 255 is the grid."""

        def layer(rng):
            while True:
                rows, inputs, outputs, z_x, z_y = 4, 90, 5, int(rng.integers(60, 190)), int(rng.integers(110, 145))
                q_x = torch.from_numpy(rng.integers(0, 256, (rows, inputs), dtype=np.uint8))
                q_w = torch.from_numpy(rng.integers(-127, 128, (outputs, inputs), dtype=np.int8))
                q_b = torch.from_numpy(rng.integers(-20_000, 20_000, outputs, dtype=np.int32))
                acc = (q_x.long() - z_x) @ q_w.long().T + q_b
                reach = (max(-low, high - 255, 0) + 100) * torch.from_numpy(rng.uniform(0.9, 1.0, outputs))
                multiplier = (reach / acc.abs().amax(0).clamp(min=1)).float()
                y = multiplier.double() * acc
                clear = _from_ties(y) and _from_ties(y + 0.5)  # of rounding's ties and of those of cutting off
                if clear and (low >= 0 or (((y + z_y) < -5).any() and ((y + z_y) > 260).any())):
                    return q_x, z_x, q_w, q_b, multiplier, z_y

        return layer

    def answers(q_x, z_x, q_w, q_b, multiplier, z_y):
        x, w, m = q_x.long() - z_x, q_w.long(), multiplier.double()

        def out(acc, rounded=torch.round):
            return (rounded(m * acc) + z_y).clamp(0, 255).to(torch.uint8)

        def kept(acc, bits):
            return (acc + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

        right = x @ w.T + q_b
        return {
            "right": out(right),
            "narrow-accumulator": Either(
                out(acc)
                for bits in (8, 16)
                for acc in (kept(right, bits), kept(x @ w.T, bits) + q_b, kept(kept(x, bits) @ w.T, bits) + q_b)
            ),
            "zero-point-forgotten": out(q_x.long() @ w.T + q_b),
            "subtracted-in-bytes": out((x % 256) @ w.T + q_b),
            "truncated": Either([out(right, torch.floor), out(right, torch.trunc)]),
            "wrapped-around": ((m * right).round() + z_y).long().to(torch.uint8),
        }

    def ask(low, high, *suspects):
        def known_answers(*inputs):
            return {k: v for k, v in answers(*inputs).items() if k == "right" or k in suspects}

        inputs, known = draw(rng, make(low, high), known_answers)
        near(student.integer_linear(*inputs), known.pop("right"), suspects=known, what="q_y")

    with case("the bias in units of s_x · s_w", 1):
        inputs, known = draw(rng, biases, integers_of)
        near(student.quantise_bias(*inputs), known.pop("right"), suspects=known, what="q_b")
    with case("sums of 90 products, results within the grid", 2):
        for _ in range(2):
            ask(0, 255, "narrow-accumulator", "zero-point-forgotten", "subtracted-in-bytes", "truncated")
    with case("results beyond the ends of the grid", 1):
        ask(-300, 555, "wrapped-around")


# ---- 6 batch norm, folded


@check("compression/fold", points=2)
def fold(student: Student, rng: np.random.Generator) -> None:
    """fold(weight, bias, mean, var, gamma, beta, eps) -> (weight, bias) of one layer that does both."""

    def make(shape, with_bias, least):
        def layer(rng):
            c = shape[0]
            mean, gamma, beta, bias = (_normal(rng, c) + shift for shift in (0.5, 1.5, 0.0, 0.7))
            var = torch.from_numpy(10.0 ** rng.uniform(least, 0.5, c)).float()
            return _normal(rng, *shape), bias if with_bias else None, mean, var, gamma, beta, 10.0 ** min(least, -3)

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

    with case("a convolution without a bias", 1):
        ask((6, 3, 3, 3), False, -0.5)
    with case("a linear layer with a bias, channels that hardly vary", 1):
        ask((5, 8), True, -3.5)


# ---- 7 fewer weights


@check("compression/prune", points=2)
def prune(student: Student, rng: np.random.Generator) -> None:
    """prune(weights, share) -> bool masks, True where a weight stays: the least magnitudes of all of them go."""

    def make(rng):
        sizes = 10.0 ** rng.uniform(-0.5, 0.5, 3)
        shapes = [(6, 5), (4, 3, 2), (9,)]
        return [_normal(rng, *s) * k for s, k in zip(shapes, sizes, strict=True)], float(rng.choice([0.25, 0.6, 0.75]))

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
        for _ in range(2):
            inputs, known = draw(rng, make, answers)
            near(student.prune(*inputs), known.pop("right"), suspects=known, what="the list of masks")
    with case("exactly round(share · n) go, also among equals; none and all", 1):
        magnitudes = rng.permutation([1.0] * 42 + [2.0] * 20) * rng.choice([-1, 1], 62)
        few = list(torch.from_numpy(magnitudes).float().split(31))
        for share in (0.4, 0.0, 1.0):
            masks = student.prune(few, share)
            near(masks, [ANY, ANY], what="the list of masks")
            for mask in masks:
                if not (isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == (31,)):
                    near(mask, torch.ones(31, dtype=torch.bool), what="a mask")
            stays, magnitude = torch.cat(list(masks)), torch.cat(few).abs()
            gone = int((~stays).sum())
            if gone != round(share * 62):
                said = f"{show_value(gone)} of 62 weights go, and {show_value(round(share * 62))} were asked for"
                raise Mismatch(said, "ties-at-the-threshold" if share == 0.4 and gone in (0, 42) else None)
            if 0 < gone < 62 and magnitude[~stays].max() > magnitude[stays].min():
                raise Mismatch("a weight went that is larger than one that stays")


# ---- 8 bytes on disk

MOST = 0.4  # bytes a weight at 80 % zeros: a bit mask with the nonzero bytes behind it takes 0.325


@check("compression/pack", points=2)
def pack(student: Student, rng: np.random.Generator) -> None:
    """pack(q) -> bytes; unpack(bytes) -> q, int8 of any shape; weights of which most are 0 take few bytes."""

    def sparse(*shape):
        q = torch.from_numpy(np.clip(np.rint(rng.standard_normal(shape) * 40), -127, 127)).to(torch.int8)
        return torch.where(torch.from_numpy(rng.random(shape) < 0.2), q, torch.zeros_like(q))

    def packed(q):
        data = student.pack(q)
        if not isinstance(data, bytes):
            kind = "an object" if isinstance(data, Ref) else type(data).__name__
            raise Mismatch(f"pack should return bytes, and returned {show_value(kind)}")
        return data

    with case("what was packed comes back: any shape, all zeros, none, no entry at all", 1):
        few = [sparse(7, 5, 2), torch.zeros(3, 9, dtype=torch.int8), torch.zeros(0, 4, dtype=torch.int8)]
        few += [torch.from_numpy(rng.integers(-128, 128, (300,), dtype=np.int8)), sparse(1, 1), sparse(5, 14)]
        files = [packed(q) for q in few]
        for q, data in reversed(list(zip(few, files, strict=True))):  # not in the order in which they were packed
            near(student.unpack(data), q, what="the tensor after pack and unpack")
    with case("at 80 % zeros the file has at most 0.4 bytes a weight", 1):
        q = sparse(64, 9, 32)
        data = packed(q)
        near(student.unpack(data), q, what="the tensor after pack and unpack")
        size, n, least = len(data), q.numel(), compression.shannon_bytes(q)
        if size > MOST * n:
            said = f"the file has {show_value(size)} bytes for {n} weights, and {int(MOST * n)} are enough"
            raise Mismatch(said, "masked-zeros-counted" if 0.99 * n <= size <= 1.2 * n + 200 else None)
        if size < 0.95 * least:
            raise Mismatch("the file has fewer bytes than its numbers hold information: they are kept somewhere else")
