"""Compression: fewer bits a number, fewer numbers, and sizes counted in the bytes that are written.

[J18]  Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
       CVPR 2018 (arXiv:1712.05877). §2.1-2.4 the scheme and the integer layer · §3.1 ranges · §3.2 batch norm
[N21]  Nagel et al., A White Paper on Neural Network Quantization, 2021 (arXiv:2106.08295).
       §2.2 affine quantiser · §2.3.1 batch norm · §2.4.2 per tensor and per channel · §3.1 setting the range
[H16]  Han et al., Deep Compression, ICLR 2016 (arXiv:1510.00149). §2 pruning and sparse storage · §4 Huffman coding
[L17]  Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017 (arXiv:1608.08710). §3.1 filters by their L1 norm

    q = clamp(⌊x / s⌉ + z, qmin, qmax)          [N21 (4)]     quantise; ⌊·⌉ to nearest, ties to even
    x̂ = s · (q - z)                             [J18 (1)]     dequantise; |x - x̂| ≤ s/2 where q was not clamped
    q_y = z_y + M · Σ (q_x - z_x)(q_w - z_w)    [J18 (4)]     a layer in integers, M = s_x · s_w / s_y [J18 (5)]

    symbol here        symbol there
    s  scale           [J18] S, [N21] s: float32, one a tensor or one a channel
    z  zero_point      [J18] Z, [N21] z: the integer that stands for 0.0, exactly
    qmin, qmax         [N21 (4)] 0 and 2^b - 1, [N21 (8)] -2^(b-1) and 2^(b-1) - 1, for b bits
    lo, hi             [J18 §3.1] a, b: ends of the range of x, widened until it holds 0
    m0, shift          [J18 (6)] M = 2^-n · M_0: m0 = 2^31 · M_0, shift = 31 + n

A number of fewer than 8 bits still takes a byte here; an entropy coder gets the rest back (`encode`).
"""

import copy
import heapq
import logging
import lzma
import math
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

# ---------------------------------------------------------------------------------------------------------------------
# Affine quantisation

LEAST = torch.finfo(torch.float32).smallest_normal  # of scales: below it they and their multiples lose digits
# Any scale represents zeros, so of a tensor without anything else. This one is of the order of a layer's usual weights:
# beside dead ones an int32 bias of scale s_x · s_w still reaches 2^23 · s_x, in steps of s_x / 256. torch's is 2^-23.
IDLE = 2.0**-8
_BLOCK = 2**15  # entries: 128 KiB in float32, so that the passes of `quantise` after the first are read from a cache


@dataclass(frozen=True, eq=False)
class Params:
    """A quantiser: scale (float32, > 0) and zero_point (int32, in qmin..qmax), both () or (C,) for channels along axis.

    Integers are int8 where qmin < 0, else uint8.
    """

    scale: Tensor
    zero_point: Tensor
    qmin: int
    qmax: int
    axis: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        return torch.int8 if self.qmin < 0 else torch.uint8


def integers(bits: int = 8, signed: bool = True, symmetric: bool = False) -> tuple[int, int]:
    """qmin and qmax, for 2 to 8 bits. [N21 (4), (8)]

    Differs from [N21 (8c)]: signed and symmetric leaves -2^(b-1) out, as [J18 §3.1] does for weights: -127 to 127, so
    that the grid is symmetric too and a product stays under 2^14. torch's observers use -128 unless they are told.
    Raises ValueError for other numbers of bits.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"expected 2 to 8 bits, received {bits}: 1 bit has no room for a zero, 9 do not fit a byte")
    half = 2 ** (bits - 1)
    return (1 - half if symmetric else -half, half - 1) if signed else (0, 2 * half - 1)


def params(
    lo: Tensor,
    hi: Tensor,
    *,
    bits: int = 8,
    signed: bool = True,
    symmetric: bool = False,
    axis: int | None = None,
    least: float = LEAST,
) -> Params:
    """Scale and zero point for x in [lo, hi], widened until it holds 0. [J18 §3.1], [N21 §2.2]

    lo, hi: floats of one shape, () or (C,) with `axis`, finite in float32. The zero point is rounded and clamped, 0 if
    symmetric. Computed in float64; scale is rounded to float32 before the zero point is made from it.
    least: smallest scale given out, at least `LEAST`: a range of subnormal size gets wider steps than it could, and the
    error stays under half of them. A range of nothing but 0 gets the scale `IDLE`, or `least` above it.
    Unsigned and symmetric is [N21 (8b)], for x ≥ 0. Differs from torch, which puts the zero point at 2^(b-1).
    Raises ValueError for an empty or infinite range, shapes that differ, or x < 0 on an unsigned symmetric grid.
    """
    lo, hi = _checked_range(lo, hi, axis)
    lo, hi = lo.clamp(max=0), hi.clamp(min=0)
    qmin, qmax = integers(bits, signed, symmetric)
    if symmetric and not signed and lo.any():
        raise ValueError(
            f"expected x ≥ 0 for an unsigned symmetric grid, received {lo.min():.4g}: use signed or affine"
        )
    width = torch.maximum(-lo, hi) / qmax if symmetric else (hi - lo) / (qmax - qmin)
    least = max(least, LEAST)
    floor = torch.where(width > 0, least, max(least, IDLE))
    scale = torch.maximum(width, floor).float()
    zero = torch.zeros_like(lo) if symmetric else (qmin - lo / scale.double()).round().clamp(qmin, qmax)
    return Params(scale, zero.to(torch.int32), qmin, qmax, axis)


def _checked_range(lo: Tensor, hi: Tensor, axis: int | None) -> tuple[Tensor, Tensor]:
    """lo and hi in float64, after the checks that `params` documents."""
    if lo.shape != hi.shape or lo.dim() != (axis is not None):
        expected = "two of shape (C,), for each channel one" if axis is not None else "two scalars, as axis is None"
        raise ValueError(f"expected lo and hi as {expected}; received {tuple(lo.shape)} and {tuple(hi.shape)}")
    lo, hi = lo.detach().double(), hi.detach().double()
    if not torch.stack([lo, hi]).float().isfinite().all():
        raise ValueError("expected a finite range, received inf or NaN: find them in the tensor, or use `percentile`")
    if (lo > hi).any():
        raise ValueError("expected lo ≤ hi, received a lo above its hi: swap them")
    return lo, hi


def quantise(x: Tensor, p: Params) -> Tensor:
    """q = clamp(⌊x / s⌉ + z, qmin, qmax), int8 or uint8, in the shape of x. [N21 (4)]

    x: floats of any shape; fp16 and bf16 are computed in float32, and float64 is rounded to it. Every finite float32 is
    supported. Where nothing is clamped, |x - dequantise(q)| ≤ s · (1/2 + 2^-15): the last term is float32's rounding of
    x / s and of the product. Differs from torch.quantize_per_tensor, which multiplies by 1 / s: near a tie one step.
    Raises ValueError where x has inf or NaN or not the channels of p.
    """
    x = x.detach().float().contiguous()
    s, z = (_along(t, x, p.axis) for t in (p.scale, p.zero_point.float()))
    q, checksum = torch.empty_like(x, dtype=p.dtype), 0.0
    for part, out, scratch, s_part, z_part in _blocks(x, q, s, z):
        y = torch.div(part, s_part, out=scratch).round_()
        checksum += y.sum().item()  # every inf and NaN of x shows in it; an overflow of finite numbers can show too
        y = (y.add_(z_part) if z_part is not None else y).clamp_(p.qmin, p.qmax)
        out.copy_(y.to(torch.int16) if p.dtype == torch.uint8 else y)  # by way of int16: float to uint8 is slow
    if not math.isfinite(checksum) and not x.isfinite().all():
        raise ValueError("expected finite numbers, received inf or NaN: find where they arise before quantising")
    return q


def _along(t: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """t, () or (C,), in a shape that broadcasts against x with its channels along `axis`."""
    if axis is None:
        return t
    if not -x.dim() <= axis < x.dim() or x.shape[axis] != len(t):
        raise ValueError(f"expected {len(t)} channels along axis {axis}, received {tuple(x.shape)}: is it that axis?")
    shape = [1] * x.dim()
    shape[axis] = len(t)
    return t.reshape(shape)


def _blocks(
    x: Tensor, q: Tensor, s: Tensor, z: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]]:
    """Rows of contiguous x and q, room to work in, and their scale and zero point, None where z is 0 throughout."""
    if s.dim() == 0:
        x, q = x.view(-1), q.view(-1)
    rows = max(1, _BLOCK * len(x) // max(1, x.numel()))
    channel_rows, shifted, scratch = s.dim() > 0 and len(s) > 1, bool(z.any()), torch.empty_like(x[:rows])
    for i in range(0, len(x), rows):
        part = slice(i, i + rows)
        s_part, z_part = (s[part], z[part]) if channel_rows else (s, z)
        yield x[part], q[part], scratch[: len(x) - i], s_part, z_part if shifted else None


def dequantise(q: Tensor, p: Params) -> Tensor:
    """x̂ = s · (q - z), float32 in the shape of q. [J18 (1)], [N21 (6)]

    z becomes 0.0 exactly. Clamped to float32's largest number, which half a step beyond a range can pass; it can only
    come nearer to x that way. Raises ValueError where q has not the channels of p.
    """
    s, z = _along(p.scale, q, p.axis), _along(p.zero_point, q, p.axis)
    largest = torch.finfo(torch.float32).max
    return (s * (q.to(torch.int32) - z)).clamp_(-largest, largest)


def fake_quantise(x: Tensor, p: Params) -> Tensor:
    """dequantise(quantise(x)) with a gradient, for training: 1 where x is in the range, 0 where it was clamped.

    [J18 §3] simulated quantisation, straight through the rounding. x: float32. Errors as `quantise`.
    Differs from torch.fake_quantize_per_tensor_affine: here a x within rounding of the very end may pass or not.
    """
    s, z = _along(p.scale, x, p.axis), _along(p.zero_point, x, p.axis)
    through = torch.clamp(x, s * (p.qmin - z - 0.5), s * (p.qmax - z + 0.5))  # what rounds to the grid
    return dequantise(quantise(x, p), p) + (through - through.detach())


# ---------------------------------------------------------------------------------------------------------------------
# Observers: where the range comes from

Range = tuple[Tensor, Tensor]


def minmax(x: Tensor, axis: int | None = None) -> Range:
    """Least and largest entry, float32 () or (C,) for channels along `axis`. [J18 §3.1], [N21 §3.1]

    Raises ValueError where x is empty or has inf or NaN.
    """
    x = x.detach().float()
    if not x.numel():
        raise ValueError(f"expected a tensor with entries, received shape {tuple(x.shape)}: give it a batch with data")
    if axis is None:
        lo, hi = torch.aminmax(x)
    else:
        others = _others(x, axis)
        # `amin` over no dimension would be over all
        lo, hi = (x.amin(others), x.amax(others)) if others else (x.clone(), x.clone())
    if not torch.stack([lo, hi]).isfinite().all():
        raise ValueError("expected finite numbers, received inf or NaN: find where they arise before calibrating")
    return lo, hi


def _others(x: Tensor, axis: int | None) -> list[int]:
    """The dimensions that a range is taken over: all but that of the channels."""
    if axis is not None and not -x.dim() <= axis < x.dim():
        raise ValueError(f"expected an axis of a tensor of {x.dim()} dimensions, received {axis}")
    return [d for d in range(x.dim()) if axis is None or d != axis % x.dim()]


def percentile(x: Tensor, axis: int | None = None, clip: float = 1e-3) -> Range:
    """The range that leaves the round(clip · n) least and as many largest of the n entries (of a channel) outside.

    clip: share at either end, 0 ≤ clip < 1/2; with 0 it is `minmax`. Shapes and errors as `minmax`, and ValueError for
    another clip. Both ends are entries of x, nothing is interpolated.
    """
    if not 0 <= clip < 0.5:
        raise ValueError(f"expected 0 ≤ clip < 0.5, received {clip}: it is a share, cut at either end")
    minmax(x, axis)  # for its checks
    x = x.detach().float()
    rows = x.reshape(1, -1) if axis is None else x.movedim(axis, 0).reshape(x.shape[axis], -1)  # (C, n)
    n = rows.shape[1]
    k = min(round(clip * n), (n - 1) // 2)
    lo = rows.topk(k + 1, largest=False).values[:, k]
    hi = rows.topk(k + 1).values[:, k]
    return (lo[0], hi[0]) if axis is None else (lo, hi)


def least_squares(x: Tensor, axis: int | None = None, candidates: int = 50, **grid: Any) -> Range:
    """The range with the least mean square of x - x̂, searched among `candidates` shrunk ones. [N21 §3.1] "MSE"

    Candidate i of n is (n - i) / n of the min-max range at both ends, i = 0 … n - 1, for each channel its own; the
    widest of equals. So it is never worse than `minmax`. grid: bits, signed and symmetric as `params` will get them.
    Differs from torch's HistogramObserver, which estimates the error from a histogram and moves one end at a time.
    Shapes and errors as `minmax` and `params`; ValueError without candidates.
    """
    if candidates < 1:
        raise ValueError(f"expected at least one candidate, received {candidates}")
    lo, hi = minmax(x, axis)
    others = _others(x, axis)
    best, best_share = torch.full_like(lo, math.inf, dtype=torch.float64), torch.ones_like(lo)
    for i in range(candidates):
        share = (candidates - i) / candidates
        p = params(lo * share, hi * share, axis=axis, **grid)
        square = (dequantise(quantise(x, p), p) - x.detach()).double().square()
        error = square.mean(others) if others else square
        best_share = torch.where(error < best, share, best_share)
        best = torch.minimum(error, best)
    return lo * best_share, hi * best_share


class Observer:
    """A range over several batches: the widest, or a moving average. [J18 §3.1], [N21 §3.1]

        observer = Observer(functools.partial(percentile, clip=1e-4))
        for x in batches:
            observer.update(x)
        p = observer.params(bits=8)

    of: (x, axis) → (lo, hi), the range of one batch. rate: None for the widest range seen, else 0 < rate ≤ 1 and each
    batch moves lo and hi by that part of the way to its own, as torch's MovingAverageMinMaxObserver; the first one sets
    them. State: `lo` and `hi`, float32 () or (C,), None before the first batch; `batches`, how many there were.
    """

    def __init__(self, of: Callable[..., Range] = minmax, axis: int | None = None, rate: float | None = None):
        if rate is not None and not 0 < rate <= 1:
            raise ValueError(f"expected 0 < rate ≤ 1 or None, received {rate}: it is the weight of the newest batch")
        self.of, self.axis, self.rate = of, axis, rate
        self.lo: Tensor | None = None
        self.hi: Tensor | None = None
        self.batches = 0

    def update(self, x: Tensor) -> None:
        """See one batch. Raises what `of` raises, and changes nothing then."""
        lo, hi = self.of(x, self.axis)
        if self.lo is not None and self.hi is not None:
            if self.rate is None:
                lo, hi = torch.minimum(self.lo, lo), torch.maximum(self.hi, hi)
            else:
                lo, hi = self.lo + self.rate * (lo - self.lo), self.hi + self.rate * (hi - self.hi)
        self.lo, self.hi, self.batches = lo, hi, self.batches + 1

    def params(self, **grid: Any) -> Params:
        """The quantiser for the range so far. grid: as in `params`. Raises ValueError before the first batch."""
        if self.lo is None or self.hi is None:
            raise ValueError("expected at least one batch, received none: call update(x) before params()")
        return params(self.lo, self.hi, axis=self.axis, **grid)


# ---------------------------------------------------------------------------------------------------------------------
# Layers in integers: 8-bit factors, 32-bit sums

INT32 = torch.iinfo(torch.int32).max


def longest_reduction(x: Params, w: Params) -> int:
    """How many products (q_x - z_x)(q_w - z_w) an int32 is sure to hold, signs at their worst.

    ⌊(2^31 - 1) / (max|q_x - z_x| · max|q_w - z_w|)⌋: 133,144 for two symmetric int8, 66,311 for affine int8 and
    symmetric weights, 33,025 for two affine ones with their zero points at an end.
    """
    return INT32 // (_reach(x) * _reach(w))


def _reach(p: Params) -> int:
    """max|q - z|."""
    return int(torch.maximum(p.zero_point - p.qmin, p.qmax - p.zero_point).max())


def quantise_bias(bias: Tensor, x: Params, w: Params) -> Tensor:
    """⌊b / (s_x · s_w)⌉, int32 with zero point 0: the unit of the sum that it is added to. [J18 §2.4]

    bias: (C,) floats, computed in float64. Raises ValueError where it does not fit: clamping would silently change it.
    """
    q = (bias.detach().double() / (x.scale.double() * w.scale.double())).round()
    if not (q.abs() <= INT32).all():
        raise ValueError(
            f"expected |bias| ≤ 2^31 steps of s_x · s_w, received {q.abs().max():.3g}: "
            "raise the weights' scale with params(…, least=)"
        )
    return q.to(torch.int32)


def _centred(q_x: Tensor, x: Params, q_w: Tensor, w: Params, q_b: Tensor | None) -> tuple[Tensor, Tensor]:
    """q_x - z_x and q_w - z_w in int32, after the checks that `linear_int32` documents."""
    if x.axis is not None or w.axis not in (None, 0):
        raise ValueError(f"expected x per tensor and w per tensor or along axis 0, received {x.axis} and {w.axis}")
    for name, q, p in (("x", q_x, x), ("w", q_w, w)):
        if q.dtype != p.dtype:
            raise ValueError(f"expected {name} as {p.dtype}, received {q.dtype}: use quantise() with these parameters")
    if q_b is not None and q_b.dtype != torch.int32:
        raise ValueError(f"expected the bias in torch.int32, received {q_b.dtype}: use quantise_bias()")
    n = math.prod(q_w.shape[1:])
    room = INT32 - (int(q_b.long().abs().max()) if q_b is not None else 0)
    if n * _reach(x) * _reach(w) > room:
        raise ValueError(
            f"expected at most {room // (_reach(x) * _reach(w))} products in an int32 sum, received {n}: "
            "split the reduction, or use symmetric weights or fewer bits"
        )
    return q_x.to(torch.int32) - x.zero_point, q_w.to(torch.int32) - _along(w.zero_point, q_w, w.axis)


def linear_int32(q_x: Tensor, x: Params, q_w: Tensor, w: Params, q_b: Tensor | None = None) -> Tensor:
    """Σ (q_x - z_x)(q_w - z_w) + q_b in int32, in units of s_x · s_w. [J18 (4), §2.4]

    q_x: (…, K), per tensor. q_w: (C, K), per tensor or along axis 0. q_b: (C,) int32. Returns (…, C).
    Differs from [J18 (7)]: zero points are subtracted first, in int32, not in sums of their own afterwards. CPU only:
    torch has no integer matrix product on GPUs.
    Raises ValueError where dtypes or axes do not fit, or the sum could leave int32 (see `longest_reduction`).
    """
    a, b = _centred(q_x, x, q_w, w, q_b)
    acc = a @ b.T  # (…, C)
    return acc if q_b is None else acc + q_b


def conv2d_int32(
    q_x: Tensor,
    x: Params,
    q_w: Tensor,
    w: Params,
    q_b: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
) -> Tensor:
    """As `linear_int32`, for a convolution: q_x (N, C, H, W), q_w (D, C / groups, h, w), result (N, D, H', W').

    The border is padded with 0.0, that is with z_x: after the subtraction, with the integer 0. No dilation: torch's is
    for floats only.
    """
    a, b = _centred(q_x, x, q_w, w, q_b)
    return nn.functional.conv2d(a, b, q_b, stride, padding, 1, groups)


def fixed_point(multiplier: Tensor) -> tuple[Tensor, Tensor]:
    """m0 and shift, int64, with M = m0 · 2^-shift to 2^-31 relative, and 2^30 ≤ m0 < 2^31. [J18 (6)]

    multiplier: M > 0, any shape. One under 2^-32 becomes 0: it takes every int32 to 0. Differs from [J18], where M < 1:
    up to 2^30 is right. Raises ValueError for others.
    """
    m = multiplier.double()
    if not ((m > 0) & (m < 2**30)).all():
        raise ValueError(f"expected multipliers s_x · s_w / s_y in (0, 2^30), received {m.min():.3g} to {m.max():.3g}")
    mantissa, exponent = torch.frexp(m)  # mantissa in [1/2, 1)
    m0, shift = (mantissa * 2**31).round().long(), 31 - exponent.long()
    carried = m0 == 2**31
    m0, shift = torch.where(carried, 2**30, m0), torch.where(carried, shift - 1, shift)
    return torch.where(shift > 62, 0, m0), shift.clamp(max=62)


def requantise(acc: Tensor, x: Params, w: Params, y: Params, channels: int = -1) -> Tensor:
    """q_y = clamp(z_y + ⌊M · acc⌉, qmin, qmax), with integers alone: int64 product, rounding, shift. [J18 (4)-(6)]

    acc: int32, its channels along `channels`. M = s_x · s_w / s_y, one a tensor or a channel. Half a step goes up. A
    ReLU costs nothing more: with y observed behind it z_y is qmin, and clamping cuts what is negative. [J18 §2.4]
    Raises ValueError where y is per channel, and as `fixed_point`.
    """
    if y.axis is not None:
        raise ValueError(f"expected the output per tensor, received channels along {y.axis}: observe it with axis=None")
    m0, shift = fixed_point(x.scale.double() * w.scale.double() / y.scale.double())
    if w.axis is not None:
        m0, shift = _along(m0, acc, channels), _along(shift, acc, channels)
    half = torch.ones_like(shift) << (shift - 1)
    # |acc · m0| ≤ 2^62 and half ≤ 2^61: their sum fits int64
    scaled = (acc.long() * m0 + half) >> shift
    return (scaled + y.zero_point).clamp(y.qmin, y.qmax).to(y.dtype)


def linear(q_x: Tensor, x: Params, q_w: Tensor, w: Params, y: Params, q_b: Tensor | None = None) -> Tensor:
    """An integer linear layer, int8 in and out: `linear_int32`, then `requantise`.

    Within one output step of quantise(x̂ · ŵᵀ + b̂, y), b̂ = s_x · s_w · q_b: both round the same number, but for the
    last digits of float32, so they only differ near a tie. Shapes, dtypes and errors as there.
    """
    return requantise(linear_int32(q_x, x, q_w, w, q_b), x, w, y)


def conv2d(
    q_x: Tensor, x: Params, q_w: Tensor, w: Params, y: Params, q_b: Tensor | None = None, **geometry: Any
) -> Tensor:
    """An integer convolution: `conv2d_int32` with its stride, padding and groups, then `requantise`."""
    return requantise(conv2d_int32(q_x, x, q_w, w, q_b, **geometry), x, w, y, channels=1)


# ---------------------------------------------------------------------------------------------------------------------
# Batch norm folded into the layer before it

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Layer = TypeVar("Layer", bound=nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)


def fold_weights(weight: Tensor, bias: Tensor | None, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """w · γ / √(σ² + ε) and β + (b - μ) · γ / √(σ² + ε): [J18 (14)], [N21 §2.3.1].

    weight: (C, …). bias: (C,) or None for 0. norm: of C channels; its running statistics are used, so
    the result is its eval mode. Computed in float64, returned in the weight's dtype.
    Raises ValueError where C differs or there are no running statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("expected a batch norm with running statistics, received track_running_stats=False")
    mean, var = norm.running_mean.double(), norm.running_var.double()
    if len(mean) != len(weight):
        raise ValueError(
            f"expected a batch norm of {len(weight)} channels, received {len(mean)}: is it the next layer?"
        )
    gamma = norm.weight.detach().double() if norm.affine else torch.ones_like(mean)
    beta = norm.bias.detach().double() if norm.affine else torch.zeros_like(mean)
    b = torch.zeros_like(mean) if bias is None else bias.detach().double()
    factor = gamma / torch.sqrt(var + norm.eps)  # (C,)
    folded = weight.detach().double() * _along(factor, weight, 0)
    return folded.to(weight.dtype), (beta + (b - mean) * factor).to(weight.dtype)


def fold_batch_norm(layer: Layer, norm: BatchNorm) -> Layer:
    """A new layer that does `norm(layer(x))` of eval mode; both arguments stay as they are.

    layer: Conv1d, Conv2d, Conv3d or Linear, its outputs along the weight's first axis. Differs from
    torch.nn.utils.fuse_conv_bn_eval: both may be in training mode; what is folded is eval mode all the same.
    Raises ValueError for another layer, and as `fold_weights`.
    """
    if not isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        raise ValueError(f"expected a convolution or a linear layer, received {type(layer).__name__}")
    return _with(layer, *fold_weights(layer.weight, layer.bias, norm))


def _with(layer: Layer, weight: Tensor, bias: Tensor | None, **sizes: int) -> Layer:
    """A copy of the layer with these parameters and attributes, sharing no memory with it."""
    new = copy.deepcopy(layer)
    trains = layer.weight.requires_grad
    new.weight = nn.Parameter(weight.detach().clone(), trains)
    new.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach().clone(), trains))
    for name, value in sizes.items():
        setattr(new, name, value)
    return new


# ---------------------------------------------------------------------------------------------------------------------
# Pruning


def magnitude_mask(weight: Tensor, share: float) -> Tensor:
    """Which entries stay: a bool mask with exactly round(share · n) False, the least magnitudes. [H16 §2]

    share: 0 to 1 of the n entries. Of equal magnitudes the one with the lower flat index goes first. Entries that are 0
    already count among the pruned. Raises ValueError for another share and for NaN, which has no magnitude.
    """
    [mask] = magnitude_masks([weight], share)
    return mask


def magnitude_masks(weights: Sequence[Tensor], share: float, per_layer: bool = False) -> list[Tensor]:
    """`magnitude_mask` for several tensors: of all their entries together, or the same share of each. [H16 §2]

    Together, ties go by the order of the tensors.
    """
    if per_layer:
        return [magnitude_mask(w, share) for w in weights]
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share of 0 to 1, received {share}: it is what is cut, not a percentage")
    magnitudes = torch.cat([w.detach().abs().reshape(-1).to(torch.float64) for w in weights])
    if magnitudes.isnan().any():
        raise ValueError("expected weights without NaN, received some: a diverged model cannot be pruned")
    stays = torch.ones(len(magnitudes), dtype=torch.bool, device=magnitudes.device)
    stays[magnitudes.argsort(stable=True)[: round(share * len(magnitudes))]] = False
    parts = stays.split([w.numel() for w in weights])
    return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


def masked(weight: Tensor, mask: Tensor) -> Tensor:
    """The weight where the mask is True, else 0.0. Not w * mask: -0.0, what negatives become, is stored as a value.

    Of the same shape and size in memory and in a dense file: only another way to store it (`encode`) makes it smaller.
    """
    return torch.where(mask, weight, torch.zeros((), dtype=weight.dtype, device=weight.device))


def filter_norms(weight: Tensor) -> Tensor:
    """s_j = Σ |F_j|, the L1 norm of each filter: (D, C, h, w) → (D,), summed in float64. [L17 §3.1]"""
    return weight.detach().double().abs().flatten(1).sum(1)


def strongest_filters(weight: Tensor, share: float) -> Tensor:
    """Indices, ascending, of the filters that stay when round(share · D) with the least L1 norm go. [L17 §3.1]

    Of equal norms the lower index goes first. Raises ValueError for another share, or when none would stay.
    """
    d = len(weight)
    if not 0 <= share <= 1 or round(share * d) >= d:
        raise ValueError(f"expected a share of 0 to 1 that leaves a filter of {d}, received {share}")
    return filter_norms(weight).argsort(stable=True)[round(share * d) :].sort().values


def prune_filters(
    conv: nn.Conv2d, norm: nn.BatchNorm2d | None, following: nn.Conv2d | nn.Linear | None, keep: Tensor
) -> tuple[nn.Conv2d, nn.BatchNorm2d | None, nn.Conv2d | nn.Linear | None]:
    """New, smaller layers: the filters `keep`, their batch norm, and the inputs of what reads them. [L17 §3.1]

    keep: indices of filters, in the order they are to have. following: a Linear reads channels that were flattened,
    each as in_features / D neighbours. The result is the old network with the other channels set to 0 just before
    `following`; what batch norm and ReLU made of a dropped filter (a constant, where its weights were 0) is gone too.
    Raises ValueError for groups, or a following layer that does not read D channels.
    """
    d = conv.out_channels
    if conv.groups != 1 or getattr(following, "groups", 1) != 1:
        raise ValueError("expected convolutions with groups=1, received groups: cut whole groups by hand")
    smaller = _with(conv, conv.weight[keep], None if conv.bias is None else conv.bias[keep], out_channels=len(keep))
    thinner = None if norm is None else _cut_norm(norm, keep)
    return smaller, thinner, None if following is None else _cut_inputs(following, keep, d)


def _cut_norm(norm: nn.BatchNorm2d, keep: Tensor) -> nn.BatchNorm2d:
    """A copy for the channels `keep`."""
    new = copy.deepcopy(norm)
    new.num_features = len(keep)
    for name, tensor in [*norm.named_parameters(), *norm.named_buffers()]:
        if tensor.dim():  # all but the count of batches
            cut = tensor.detach()[keep].clone()
            setattr(new, name, nn.Parameter(cut, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else cut)
    return new


def _cut_inputs(layer: nn.Conv2d | nn.Linear, keep: Tensor, channels: int) -> nn.Conv2d | nn.Linear:
    """A copy that reads only the channels `keep` of `channels`."""
    size = layer.weight.shape[1]
    if size % channels or (isinstance(layer, nn.Conv2d) and size != channels):
        raise ValueError(f"expected a following layer that reads {channels} channels, received one of {size} inputs")
    each = size // channels  # 1, or the pixels of a channel that was flattened
    columns = (keep[:, None] * each + torch.arange(each, device=keep.device)).flatten()
    name = "in_channels" if isinstance(layer, nn.Conv2d) else "in_features"
    return _with(layer, layer.weight[:, columns], layer.bias, **{name: len(columns)})


# ---------------------------------------------------------------------------------------------------------------------
# Storage: the bytes that are written, and no other size

# What a file holds, numbers little-endian:
#   header   "Q1" · coding, dtype, dimensions: a byte each · every size: 4 bytes
#   dense    the entries, row after row
#   csr      rows are the first dimension, columns all others. Count of nonzeros: 4 bytes · where each row starts, and
#            the end: rows + 1 integers of the fewest bytes (1, 2, 4) that hold the count · the column of each nonzero:
#            of the fewest bytes that hold columns - 1 · their values. Zero is all bits 0, so -0.0 is a value.
#   huffman  which of the 256 bytes occur: 32 bytes · the code length of each that does: a byte · the codes, first bit
#            first, filled up to a byte with 0. One-byte dtypes only.
#   zlib, lzma   the dense entries, through Python's zlib at level 9 or lzma at preset 9
# Differs from [H16]: absolute columns instead of 5- or 8-bit distances with filler zeros; symbols are weights' bytes.

CODINGS = ("dense", "csr", "huffman", "zlib", "lzma")
DTYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.float64,
    torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
)  # fmt: skip
_MAGIC = b"Q1"


def encode(t: Tensor, coding: str = "dense") -> bytes:
    """The tensor as the bytes of a file, header included: what it takes on disk is len() of them. [H16 §2, §4]

    coding: one of `CODINGS`, laid out above. t: any shape, a dtype of `DTYPES`. `decode` gives it back bit by bit.
    Raises ValueError for another coding or dtype, and for huffman of entries of more than a byte.
    """
    if coding not in CODINGS or t.dtype not in DTYPES:
        raise ValueError(f"expected a coding of {CODINGS} and a plain dtype, received {coding!r} and {t.dtype}")
    if coding == "huffman" and t.element_size() != 1:
        raise ValueError(f"expected entries of one byte for huffman, received {t.dtype}: quantise first, or use zlib")
    raw = _raw(t)
    header = struct.pack(
        f"<2sBBB{t.dim()}I", _MAGIC, CODINGS.index(coding), DTYPES.index(t.dtype), t.dim(), *t.shape
    )  # fmt: skip
    if coding == "csr":
        return header + _csr(raw.view(f"<u{t.element_size()}").reshape(_rows(t.shape)))
    if coding == "huffman":
        return header + _huffman(raw)
    plain = raw.tobytes()
    if coding == "dense":
        return header + plain
    return header + (zlib.compress(plain, 9) if coding == "zlib" else lzma.compress(plain, preset=9))


def decode(data: bytes) -> Tensor:
    """The tensor that `encode` was given: same dtype, shape and bits, on the CPU.

    Raises ValueError where the bytes are not of that form. They are trusted otherwise: a header can ask for much
    memory.
    """
    try:
        magic, coding, dtype, dims = struct.unpack_from("<2sBBB", data)
        shape = struct.unpack_from(f"<{dims}I", data, 5)
        name, kind = CODINGS[coding], DTYPES[dtype]
    except (struct.error, IndexError):
        magic = b""
    if magic != _MAGIC:
        raise ValueError(f"expected bytes that encode() made, received {data[:8]!r}…: was the file written in binary?")
    payload, n, size = data[5 + 4 * dims :], math.prod(shape), kind.itemsize
    undo: dict[str, Callable[[bytes], bytes]] = {
        "dense": bytes,
        "csr": lambda b: _un_csr(b, _rows(shape), size),
        "huffman": lambda b: _un_huffman(b, n),
        "zlib": zlib.decompress,
        "lzma": lzma.decompress,
    }
    try:
        raw = undo[name](payload)
    except (zlib.error, lzma.LZMAError, struct.error, OverflowError, IndexError, ValueError) as broken:
        raise ValueError(f"expected entries coded as {name}, received other bytes: the file is damaged") from broken
    if len(raw) != n * size:
        raise ValueError(f"expected {n * size} bytes of entries, received {len(raw)}: the file is cut short or damaged")
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape) if n else torch.empty(shape, dtype=kind)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Several named files in one: for each, the name's length (2 bytes), the data's (8 bytes), both themselves.

    A model is all of its tensors: quantised weights come with their scales and zero points. `unpack` undoes it.
    """
    parts = []
    for name, data in files.items():
        key = name.encode()
        parts += [struct.pack("<HQ", len(key), len(data)), key, data]
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, bytes]:
    """The files that `pack` was given. Raises ValueError where the data ends within one."""
    files, at = {}, 0
    while at < len(data):
        try:
            key, size = struct.unpack_from("<HQ", data, at)
        except struct.error:
            key = size = len(data)
        at += 10
        if at + key + size > len(data):
            raise ValueError("expected what pack() made, received data that ends within a file: it was cut short")
        files[data[at : at + key].decode()] = data[at + key : at + key + size]
        at += key + size
    return files


def shannon_bytes(t: Tensor) -> float:
    """n · H / 8 bytes, H = -Σ p log2 p over the bytes of t: no code that gives each byte a word of its own needs less.

    Header and codebook come on top. A coder that sees repeats or order (zlib, lzma) is not bound by it.
    """
    counts = np.bincount(_raw(t), minlength=256)
    p = counts[counts > 0] / max(1, counts.sum())
    return float(counts.sum() * -(p * np.log2(p)).sum() / 8)


def _raw(t: Tensor) -> np.ndarray:
    """The entries' bytes, uint8."""
    return t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _rows(shape: Sequence[int]) -> tuple[int, int]:
    rows = shape[0] if len(shape) > 1 else 1
    return rows, math.prod(shape) // max(1, rows)


def _fewest(largest: int) -> np.dtype:
    """The smallest unsigned integer that holds `largest`."""
    return np.dtype("<u1" if largest < 2**8 else "<u2" if largest < 2**16 else "<u4")


def _csr(words: np.ndarray) -> bytes:
    """Compressed sparse rows of a matrix of unsigned integers, laid out as above. [H16 §2]"""
    row, column = words.nonzero()
    starts = np.searchsorted(row, np.arange(words.shape[0] + 1))
    index = column.astype(_fewest(words.shape[1] - 1))
    parts = struct.pack("<I", len(row)), starts.astype(_fewest(len(row))).tobytes(), index.tobytes()
    return b"".join(parts) + words[row, column].tobytes()


def _un_csr(data: bytes, shape: tuple[int, int], size: int) -> bytes:
    words = np.zeros(shape, dtype=f"<u{size}")
    [n] = struct.unpack_from("<I", data)
    starts = np.frombuffer(data, _fewest(n), shape[0] + 1, 4)
    at = 4 + starts.nbytes
    column = np.frombuffer(data, _fewest(shape[1] - 1), n, at)
    values = np.frombuffer(data, words.dtype, n, at + column.nbytes)
    words[np.repeat(np.arange(shape[0]), starts[1:].astype(np.int64) - starts[:-1]), column] = values
    return words.tobytes()


def code_lengths(counts: Sequence[int]) -> list[int]:
    """Bits of each symbol's code in a Huffman tree for these counts; 0 for a symbol that does not occur. [H16 §4]

    One symbol alone gets 1 bit. Ties are broken by age, so that equal counts give equal lengths everywhere.
    """
    lengths = [0] * len(counts)
    heap = [(count, symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    for age in range(len(counts), len(counts) + len(heap) - 1):
        (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in left + right:  # both hang one level lower now
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, age, left + right))
    return lengths


def canonical_codes(lengths: Sequence[int]) -> dict[int, str]:
    """The code of each symbol as a string of 0 and 1, by length and then by symbol: the lengths alone determine it."""
    codes, code, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        codes[symbol], code, before = format(code, f"0{length}b"), code + 1, length
    return codes


def _huffman(symbols: np.ndarray) -> bytes:
    """Codebook and codes of bytes, laid out as above."""
    lengths = code_lengths(np.bincount(symbols, minlength=256).tolist())
    widths = np.array(lengths)
    table = np.zeros((256, max(lengths)), dtype=np.uint8)  # a code a row, its bits from the left
    for symbol, code in canonical_codes(lengths).items():
        table[symbol, : len(code)] = [int(bit) for bit in code]
    used = np.arange(table.shape[1]) < widths[:, None]
    blocks = (symbols[i : i + _BLOCK] for i in range(0, len(symbols), _BLOCK))
    bits = np.concatenate([np.empty(0, np.uint8), *(table[s][used[s]] for s in blocks)])
    book = np.packbits(widths > 0).tobytes() + widths[widths > 0].astype(np.uint8).tobytes()
    return book + np.packbits(bits).tobytes()


def _un_huffman(data: bytes, n: int) -> bytes:
    """n symbols. What would be read at every bit is found at once; then each code says where the next one starts."""
    present = np.flatnonzero(np.unpackbits(np.frombuffer(data[:32].ljust(32, b"\0"), np.uint8)))
    widths = data[32 : 32 + len(present)]
    codes = canonical_codes(_spread(present, widths))
    bits = np.unpackbits(np.frombuffer(data[32 + len(present) :], np.uint8))
    longest = max(widths, default=0)  # under 64: a code of k bits needs a Fibonacci number F(k + 2) of symbols
    first = np.array([int(code.ljust(longest, "0"), 2) for code in codes.values()], dtype=np.uint64)  # ascending
    symbol_at, step_at = np.zeros(len(bits), np.uint8), np.zeros(len(bits), np.uint8)
    padded = np.concatenate([bits, np.zeros(longest, np.uint8)]).astype(np.uint64)
    for i in range(0, len(bits) if codes else 0, _BLOCK):
        window = np.zeros(len(bits[i : i + _BLOCK]), np.uint64)
        for j in range(longest):
            window = window << np.uint64(1) | padded[i + j : i + j + len(window)]
        k = np.searchsorted(first, window, side="right") - 1
        symbol_at[i : i + _BLOCK] = np.array(list(codes), np.uint8)[k]
        step_at[i : i + _BLOCK] = np.array([len(code) for code in codes.values()], np.uint8)[k]
    symbols, steps, at, found = symbol_at.tobytes(), step_at.tobytes(), 0, bytearray()
    while len(found) < n and at < len(steps):
        found.append(symbols[at])
        at += steps[at]
    return bytes(found)


def _spread(present: np.ndarray, widths: bytes) -> list[int]:
    """Code lengths of all 256 symbols from those of the present ones."""
    lengths = [0] * 256
    for symbol, width in zip(present.tolist(), widths, strict=False):
        lengths[symbol] = width
    return lengths


# ---------------------------------------------------------------------------------------------------------------------
# The field's own tools
#
# Whether int8 is faster is the processor's affair (`measure.machine()["cpu"]["isa"]`): x86 needs VNNI for dot products
# of bytes. On AVX2 and AVX-512 without it a sum of two products saturates at 16 bits in ONNX Runtime's kernels, so keep
# `reduce_range` on there (7-bit weights), and convolutions are not faster.


def to_onnx(model: nn.Module, example: Tensor, path: str | Path) -> None:
    """Write the model's eval mode as one ONNX file, its first dimension free; input "input", output "output".

    example: what the model takes, with a first dimension of 2 or more: the exporter would fix a 1.
    """
    model = copy.deepcopy(model).eval()
    torch.onnx.export(
        model, (example,), path, dynamo=True, external_data=False, verbose=False,
        input_names=["input"], output_names=["output"], dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
    )  # fmt: skip


def _prepared(source: str | Path) -> Any:
    """The model with shapes inferred and constants and batch norms folded, as ONNX Runtime asks before quantising."""
    import onnx
    from onnxruntime.quantization import quant_pre_process

    with tempfile.TemporaryDirectory() as directory:
        prepared = Path(directory, "prepared.onnx")
        quant_pre_process(source, prepared)
        return onnx.load(prepared)


def onnx_dynamic(
    source: str | Path, target: str | Path, *, per_channel: bool = True, reduce_range: bool = False
) -> None:
    """ONNX Runtime's dynamic int8: weights now, the ranges of activations at each call. Linear and convolution; a
    convolution's weights get one scale whatever `per_channel` says (ONNX Runtime 1.32)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        _prepared(source), target, per_channel=per_channel, reduce_range=reduce_range, weight_type=QuantType.QInt8
    )  # fmt: skip


def onnx_static(
    source: str | Path,
    target: str | Path,
    batches: Iterable[Tensor],
    *,
    per_channel: bool = True,
    reduce_range: bool = False,
) -> None:
    """ONNX Runtime's static int8 (QDQ form): ranges of activations from `batches`, inputs as the model takes them."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"input": batch.numpy()}

    quantize_static(
        _prepared(source), target, Reader(), per_channel=per_channel, reduce_range=reduce_range,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip


def onnx_run(path: str | Path, x: Tensor) -> Tensor:
    """The first output of an ONNX file for its only input, on ONNX Runtime's CPU provider."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def torchao_int8(model: nn.Module, activations: bool = True) -> nn.Module:
    """A copy in eval mode with int8 weights in its linear layers, by torchao's `quantize_`.

    activations: also int8 activations with ranges at each call, else the products are of floats. Convolutions stay.
    """
    log, said = logging.getLogger("torch.utils._pytree"), "<enum 'KernelPreference'>"

    def hush(record: logging.LogRecord) -> bool:
        """Not what torchao's import says of its own code."""
        return said not in record.getMessage()

    log.addFilter(hush)
    try:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, quantize_
    finally:
        log.removeFilter(hush)
    new = copy.deepcopy(model).eval()
    quantize_(new, Int8DynamicActivationInt8WeightConfig() if activations else Int8WeightOnlyConfig())
    return new
