"""`quintet.compression` is right: bounds by property, torch's quantisers and pruners as peers, files bit by bit.

u = 2^-24 is the rounding unit of float32: every operation's result is within a factor 1 ± u of the exact one.
"""

import copy
import functools
import itertools
import math
import pickle
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval, prune

from quintet import compression as c

INF, NAN = math.inf, math.nan
U = 2.0**-24
MAX = torch.finfo(torch.float32).max

GRIDS = [
    {"bits": bits, "signed": signed, "symmetric": symmetric}
    for bits, signed, symmetric in itertools.product((2, 3, 5, 8), (True, False), (True, False))
]
grids = st.sampled_from(GRIDS)
quick = settings(max_examples=60, deadline=None)


def numbers(largest: float = MAX) -> st.SearchStrategy[float]:
    return st.floats(-largest, largest, width=32)


# Every size of float32: at most 1e-40, 1 or the largest number there is.
tensors = st.sampled_from([2.0**-133, 2.0**-120, 1.0, 2.0**100, MAX]).flatmap(
    lambda largest: st.lists(numbers(largest), min_size=1, max_size=20).map(torch.tensor)
)


def observed(x: Tensor, axis: int | None = None, **grid) -> c.Params:
    return c.params(*c.minmax(x, axis), axis=axis, **grid)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bits_of(t: Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return t.dtype, t.shape, t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


# ---------------------------------------------------------------------------------------------------------------------
# Affine quantisation


@quick
@given(tensors, grids)
@example(torch.tensor([-MAX, MAX]), {"bits": 8, "signed": True, "symmetric": False})  # z = ⌊0.5⌉: s · (qmin - z) > MAX
def test_what_is_in_the_range_comes_back_within_half_a_step(x, grid):
    """x / s and s · (q - z) are rounded to u relative and are at most 256 steps: 2 · 256 · u = 2^-15 of a step. In
    float64, where x - x̂ is exact to 2^-53 · 2^8 of a step."""
    x = x.abs() if grid["symmetric"] and not grid["signed"] else x
    p = observed(x, **grid)
    back = c.dequantise(c.quantise(x, p), p)
    assert back.isfinite().all()
    step = p.scale.double()
    assert ((x.double() - back.double()).abs() <= step * (0.5 + 2.0**-15)).all()


@quick
@given(tensors, grids, st.booleans())
def test_zero_is_exact_and_parameters_are_on_the_grid(x, grid, negative):
    """Also where all numbers have one sign, so that 0 is in the range only because that was widened."""
    x = -x.abs() if negative and (grid["signed"] or not grid["symmetric"]) else x.abs()
    p = observed(x, **grid)
    assert p.scale.dtype == torch.float32 and p.scale >= c.LEAST and p.scale.isfinite()
    assert p.zero_point.dtype == torch.int32 and p.qmin <= p.zero_point <= p.qmax
    zero = c.quantise(torch.zeros(3), p)
    assert zero.tolist() == [p.zero_point.item()] * 3 and zero.dtype == p.dtype
    assert c.dequantise(zero, p).tolist() == [0.0] * 3


@pytest.mark.parametrize("lo, hi", [(5.0, 10.0), (-10.0, -5.0)])
@pytest.mark.parametrize("signed", [True, False])
def test_a_range_on_one_side_of_zero_is_widened_to_zero(lo, hi, signed):
    """255 steps from 0 to 10, not from 5 to 10, and the zero point at that end of the grid."""
    p = c.params(torch.tensor(lo), torch.tensor(hi), signed=signed)
    assert p.scale.item() == torch.tensor(10 / 255).item()
    assert p.zero_point.item() == (p.qmin if lo > 0 else p.qmax)


@quick
@given(st.lists(numbers(), min_size=1, max_size=20).map(torch.tensor), tensors, grids)
def test_what_is_outside_is_clamped_to_the_ends(x, sample, grid):
    sample = sample.abs()
    p = observed(sample, **grid)
    q = c.quantise(x, p).int()
    assert p.qmin <= q.min() and q.max() <= p.qmax
    step, z = p.scale.double(), p.zero_point.double()
    assert (q[x.double() > step * (p.qmax - z + 1)] == p.qmax).all()
    assert (q[x.double() < step * (p.qmin - z - 1)] == p.qmin).all()


@pytest.mark.parametrize("value", [0.0, 1e-45, -1e-45, 2.5, -7.0, MAX, -MAX])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_constants_have_a_valid_scale(value, grid):
    """Exact to the rounding of s = |x| / steps and of s · (q - z), 2 · u, or to half the least scale."""
    x = torch.full((2, 3), value)
    if value < 0 and grid["symmetric"] and not grid["signed"]:
        x = -x
    p = observed(x, **grid)
    torch.testing.assert_close(c.dequantise(c.quantise(x, p), p), x, rtol=2 * U, atol=c.LEAST / 2)
    if value == 0:
        assert p.scale.item() == c.IDLE
    assert observed(x, **grid, least=0.0).scale == p.scale
    assert observed(x, **grid, least=1.0).scale == p.scale.clamp(min=1.0)


def test_the_integers_of_every_grid():
    assert [c.integers(b) for b in (2, 4, 8)] == [(-2, 1), (-8, 7), (-128, 127)]
    assert [c.integers(b, symmetric=True) for b in (2, 4, 8)] == [(-1, 1), (-7, 7), (-127, 127)]
    for symmetric in (True, False):
        assert [c.integers(b, False, symmetric) for b in (2, 4, 8)] == [(0, 3), (0, 15), (0, 255)]


def test_each_channel_has_its_own_scale_along_the_axis_asked_for():
    """Distinct sizes, so that another axis fails; channels of very different size, so that a shared scale fails."""
    x = normal(3, 4, 5) * torch.logspace(-3, 3, 4)[:, None]
    p = observed(x, axis=1)
    assert p.scale.shape == p.zero_point.shape == (4,)
    q = c.quantise(x, p)
    for i in range(4):
        one = observed(x[:, i])
        assert torch.equal(one.scale, p.scale[i]) and torch.equal(one.zero_point, p.zero_point[i])
        assert torch.equal(c.quantise(x[:, i], one), q[:, i])
    minus = observed(x, axis=-2)
    assert torch.equal(c.quantise(x, minus), q) and torch.equal(c.dequantise(q, minus), c.dequantise(q, p))
    error = (c.dequantise(q, p) - x).abs().amax((0, 2))
    whole = observed(x)
    shared = (c.dequantise(c.quantise(x, whole), whole) - x).abs().amax((0, 2))
    assert error[0] < shared[0] / 100, "the smallest channel is under half a step of the largest one's"


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((1,), None), ((1,), 0)]
    + list(itertools.product([(3, 70_001), (70_001, 3), (0, 3), (3, 0), (2, 3, 100, 200)], [None, 0, 1])),
    ids=str,
)
def test_cutting_into_blocks_leaves_no_seam(shape, axis):
    """Shapes that blocks do not divide, in one expression without blocks."""
    x = normal(*shape)
    n = 1 if axis is None else shape[axis]
    scale, zero = torch.linspace(0.01, 0.05, n), torch.arange(n, dtype=torch.int32)
    p = c.Params(*((scale[0], zero[0]) if axis is None else (scale, zero)), -128, 127, axis)
    along = [1] * len(shape)
    if axis is not None:
        along[axis] = n
    expected = ((x / scale.reshape(along)).round() + zero.reshape(along)).clamp(-128, 127).to(torch.int8)
    assert torch.equal(c.quantise(x, p), expected)


def test_a_scalar_a_transpose_and_half_precision_are_quantised():
    p = c.Params(torch.tensor(0.5), torch.tensor(3, dtype=torch.int32), 0, 255)
    assert c.quantise(torch.tensor(1.0), p) == 5 and c.quantise(torch.tensor(1.0), p).dim() == 0
    x = normal(3, 5)
    assert torch.equal(c.quantise(x.T, p), c.quantise(x, p).T)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert torch.equal(c.quantise(x.to(dtype), p), c.quantise(x.to(dtype).float(), p))


@pytest.mark.parametrize("value", [INF, -INF, NAN])
@pytest.mark.parametrize("grid", [{}, {"signed": False}], ids=str)
def test_inf_and_nan_are_refused_wherever_they_stand(value, grid):
    p = c.params(torch.tensor(-1.0), torch.tensor(1.0), **grid)
    for where in (0, 40_000, 99_999):
        x = torch.zeros(100_000)
        x[where] = value
        with pytest.raises(ValueError, match="received inf or NaN: find where"):
            c.quantise(x, p)
        for range_of in (c.minmax, c.percentile, c.least_squares):
            with pytest.raises(ValueError, match="received inf or NaN: find where"):
                range_of(x)
    with pytest.raises(ValueError, match="finite range"):
        c.params(torch.tensor(-1.0), torch.tensor(value))
    with pytest.raises(ValueError, match="finite range"):
        c.params(torch.tensor(0.0), torch.tensor(1e300, dtype=torch.float64))


def test_finite_numbers_whose_sum_or_quotient_overflows_are_not_refused():
    tiny = c.params(torch.tensor(-1e-38), torch.tensor(1e-38))
    assert c.quantise(torch.tensor([MAX, -MAX, MAX]), tiny).tolist() == [127, -128, 127]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: c.integers(9), "2 to 8 bits, received 9"),
        (lambda: c.integers(1), "2 to 8 bits, received 1"),
        (lambda: c.params(torch.zeros(2), torch.zeros(2)), "two scalars"),
        (lambda: c.params(torch.zeros(2), torch.zeros(3), axis=0), r"received \(2,\) and \(3,\)"),
        (lambda: c.params(torch.tensor(2.0), torch.tensor(1.0)), "lo ≤ hi"),
        (lambda: c.params(torch.tensor(-1.0), torch.tensor(1.0), signed=False, symmetric=True), "use signed or affine"),
        (lambda: c.quantise(torch.ones(4, 3), _channels(3)), "3 channels"),
        (lambda: c.dequantise(torch.ones(4, 3, dtype=torch.int8), _channels(3)), "3 channels along axis 0"),
        (lambda: c.minmax(torch.ones(0, 3)), "tensor with entries"),
        (lambda: c.minmax(torch.ones(2, 3), axis=2), "received 2"),
        (lambda: c.percentile(torch.ones(3), clip=0.5), "clip < 0.5, received 0.5"),
        (lambda: c.least_squares(torch.ones(3), candidates=0), "received 0"),
        (lambda: c.Observer(rate=0.0), "0 < rate ≤ 1"),
        (lambda: c.Observer().params(), r"update\(x\) before"),
    ],
)
def test_errors_say_what_was_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def _channels(n: int) -> c.Params:
    return c.Params(torch.ones(n), torch.zeros(n, dtype=torch.int32), -128, 127, axis=0)


def test_arguments_are_left_as_they_are():
    x, w = normal(4, 6), normal(5, 6, seed=1)
    before = x.clone(), w.clone()
    p, pw = observed(x), observed(w, 0, symmetric=True)
    frozen = pickle.dumps((p.scale, p.zero_point, pw.scale, pw.zero_point))
    q, qw = c.quantise(x, p), c.quantise(w, pw)
    q_before = q.clone(), qw.clone()
    c.dequantise(q, p), c.fake_quantise(x, p), c.percentile(x), c.least_squares(x), c.linear(q, p, qw, pw, p)
    c.magnitude_mask(x, 0.5), c.encode(x, "csr"), c.encode(q, "huffman")
    assert torch.equal(x, before[0]) and torch.equal(w, before[1])
    assert torch.equal(q, q_before[0]) and torch.equal(qw, q_before[1])
    assert pickle.dumps((p.scale, p.zero_point, pw.scale, pw.zero_point)) == frozen


# Peers. torch's eager quantisers say that they are deprecated; they are what the field has compared with.


def peer_quantised(x: Tensor, p: c.Params) -> Tensor:
    dtype = {torch.int8: torch.qint8, torch.uint8: torch.quint8}[p.dtype]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if p.axis is None:
            return torch.quantize_per_tensor(x, p.scale, p.zero_point, dtype).int_repr()
        return torch.quantize_per_channel(x, p.scale, p.zero_point, p.axis, dtype).int_repr()


def observer(name: str, **kwargs):
    import torch.ao.quantization.observer as ao

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(ao, name)(**kwargs)


def near_a_tie(x: Tensor, p: c.Params) -> Tensor:
    """Where x / s is within 2^-14 of halfway: theirs rounds 1 / s and the product, u each, of at most 256 steps."""
    t = x.double() / c._along(p.scale.double(), x, p.axis)
    return (t - t.floor() - 0.5).abs() < 2.0**-14


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_integers_are_torchs_but_at_ties(signed, axis):
    x = normal(30, 200)
    p = observed(x, axis, signed=signed)
    ours, theirs = c.quantise(x, p), peer_quantised(x, p)
    differ = ours != theirs
    assert not (differ & ~near_a_tie(x, p)).any() and (ours.int() - theirs.int()).abs().max() <= 1
    assert near_a_tie(x, p).sum() < 10, "so nearly all entries were compared"


@pytest.mark.parametrize("axis", [None, 1])
def test_fake_quantisation_and_its_gradient_are_torchs(axis):
    x = 3 * normal(8, 50)
    p = observed(x.clamp(-2, 1), axis, bits=5)
    results = []
    for fake in (
        lambda t: c.fake_quantise(t, p),
        lambda t: (
            torch.fake_quantize_per_tensor_affine(t, p.scale, p.zero_point, p.qmin, p.qmax)
            if axis is None
            else torch.fake_quantize_per_channel_affine(t, p.scale, p.zero_point, axis, p.qmin, p.qmax)
        ),
    ):
        leaf = x.clone().requires_grad_()
        y = fake(leaf)
        (y * normal(8, 50, seed=3)).sum().backward()
        results.append((y.detach(), leaf.grad))
    (y, grad), (y_peer, grad_peer) = results
    assert not near_a_tie(x, p).any()
    torch.testing.assert_close(y, y_peer, rtol=2 * U, atol=0)  # s · integer, rounded by each
    assert torch.equal(grad, grad_peer)
    clamped = (grad == 0).double().mean()
    assert 0.1 < clamped < 0.9


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("symmetric", [True, False])
def test_ranges_and_scales_are_those_of_torchs_observers(symmetric, axis):
    """Theirs rounds hi - lo and the quotient to float32, ours the quotient alone: 3 · u. Zero points were not near a
    tie."""
    batches = [normal(6, 40, seed=i) * (i + 1) + 0.3 for i in range(3)]
    qmin, qmax = c.integers(symmetric=symmetric)
    scheme = getattr(torch, f"per_{'tensor' if axis is None else 'channel'}_{'symmetric' if symmetric else 'affine'}")
    for rate in (None, 0.3):
        name = ("" if rate is None else "MovingAverage") + ("" if axis is None else "PerChannel") + "MinMaxObserver"
        kwargs = {} if axis is None else {"ch_axis": axis}
        kwargs |= {} if rate is None else {"averaging_constant": rate}
        peer = observer(name, dtype=torch.qint8, qscheme=scheme, quant_min=qmin, quant_max=qmax, **kwargs)
        ours = c.Observer(axis=axis, rate=rate)
        for x in batches:
            ours.update(x)
            peer(x)
        assert torch.equal(ours.lo, peer.min_val) and torch.equal(ours.hi, peer.max_val)
        p, (scale, zero_point) = ours.params(symmetric=symmetric), peer.calculate_qparams()
        torch.testing.assert_close(p.scale, scale.reshape(p.scale.shape), rtol=3 * U, atol=0)
        assert p.zero_point.tolist() == zero_point.reshape(p.scale.shape).tolist()


# ---------------------------------------------------------------------------------------------------------------------
# Observers


@pytest.mark.parametrize("clip", [0.0, 0.01, 0.1, 0.29, 0.49])
@pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
def test_percentile_leaves_the_asked_for_number_outside(clip, n):
    x = normal(n)
    lo, hi = c.percentile(x, clip=clip)
    k = min(round(clip * n), (n - 1) // 2)
    assert (x < lo).sum() == (x > hi).sum() == k
    ordered = x.sort().values
    assert (lo, hi) == (ordered[k], ordered[n - 1 - k])


def test_percentile_of_each_channel():
    x = normal(5, 3, 40)
    lo, hi = c.percentile(x, axis=1, clip=0.05)
    for i in range(3):
        assert (lo[i], hi[i]) == c.percentile(x[:, i], clip=0.05)
    assert ((x < lo[:, None]).sum((0, 2)) == 10).all()


def test_an_outlier_ruins_minmax_and_neither_percentile_nor_least_squares():
    x = normal(10_000)
    x[17] = 1000.0
    rest = torch.arange(len(x)) != 17

    def error(lo, hi):
        p = c.params(lo, hi)
        return (c.dequantise(c.quantise(x, p), p) - x)[rest].square().mean().item()

    plain = error(*c.minmax(x))
    assert plain > 0.5, "one step is 4 standard deviations: nearly all of the variance is lost"
    assert error(*c.percentile(x, clip=1e-3)) < plain / 1000
    assert error(*c.least_squares(x, bits=4)) <= plain


@pytest.mark.parametrize("grid", [g for g in GRIDS if g["bits"] in (3, 8)], ids=str)
@pytest.mark.parametrize("axis", [None, 1])
def test_least_squares_is_the_best_of_its_candidates(axis, grid):
    x = normal(9, 4, 25) ** 3 * torch.tensor([1.0, 10.0, 0.1, 5.0])[:, None]
    x = x.abs() if grid["symmetric"] and not grid["signed"] else x
    lo, hi = c.least_squares(x, axis, candidates=10, **grid)

    def errors(lo, hi):
        p = c.params(lo, hi, axis=axis, **grid)
        square = (c.dequantise(c.quantise(x, p), p) - x).double().square()
        return square.mean() if axis is None else square.mean((0, 2))

    low, high = c.minmax(x, axis)
    all_of_them = torch.stack([errors(low * (i / 10), high * (i / 10)) for i in range(1, 11)])
    assert torch.equal(errors(lo, hi), all_of_them.min(0).values)
    if grid["bits"] == 3:
        assert (errors(lo, hi) < all_of_them[-1]).any(), "long tails: a shrunk range is better than min-max"


def test_an_observer_is_its_state():
    ours = c.Observer(functools.partial(c.percentile, clip=0.1), axis=0, rate=0.25)
    assert (ours.lo, ours.hi, ours.batches) == (None, None, 0)
    first, second = normal(3, 20), normal(3, 20, seed=1)
    ours.update(first)
    lo, hi = c.percentile(first, 0, 0.1)
    assert torch.equal(ours.lo, lo) and torch.equal(ours.hi, hi)
    twin, thawed = copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))
    ours.update(second)
    torch.testing.assert_close(ours.lo, 0.75 * lo + 0.25 * c.percentile(second, 0, 0.1)[0])
    assert ours.batches == 2 and twin.batches == thawed.batches == 1
    assert torch.equal(twin.lo, lo) and torch.equal(thawed.hi, hi)
    with pytest.raises(ValueError):
        twin.update(torch.tensor([[NAN]]))
    assert torch.equal(twin.lo, lo) and twin.batches == 1


def test_an_observer_does_not_hold_the_batch():
    """Along the only axis the range of each entry is itself, and must be a copy."""
    ours, x = c.Observer(axis=0), torch.tensor([1.0, -2.0])
    ours.update(x)
    x.zero_()
    assert ours.lo.tolist() == ours.hi.tolist() == [1.0, -2.0]


# ---------------------------------------------------------------------------------------------------------------------
# Layers in integers

seeds = st.integers(0, 2**31 - 1)
weight_grids = st.sampled_from([{"symmetric": True}, {"symmetric": False}, {"signed": False}, {"bits": 4}])


def quantised_layer(x: Tensor, w: Tensor, b: Tensor, grid: dict, axis: int | None, x_grid: dict):
    px, pw = observed(x, **x_grid), observed(w, axis, **grid)
    return c.quantise(x, px), px, c.quantise(w, pw), pw, c.quantise_bias(b, px, pw)


def float64(q: Tensor, p: c.Params) -> Tensor:
    """s · (q - z), exact: 24 bits by 9."""
    return c._along(p.scale.double(), q, p.axis) * (q.double() - c._along(p.zero_point.double(), q, p.axis))


@quick
@given(seeds, weight_grids, st.sampled_from([None, 0]), st.booleans(), st.floats(-2, 2))
def test_an_integer_linear_layer_is_the_dequantised_product_within_a_step(seed, grid, axis, signed, shift):
    torch.manual_seed(seed)
    x, w, b = torch.randn(2, 3, 17) + shift, torch.randn(5, 17) * torch.logspace(-2, 1, 5)[:, None], torch.randn(5)
    q_x, px, q_w, pw, q_b = quantised_layer(x, w, b, grid, axis, {"signed": signed})
    unit = px.scale.double() * pw.scale.double()
    exact = float64(q_x, px) @ float64(q_w, pw).T + q_b.double() * unit
    acc = c.linear_int32(q_x, px, q_w, pw, q_b)
    assert acc.dtype == torch.int32 and acc.shape == (2, 3, 5)
    torch.testing.assert_close(acc.double() * unit, exact, rtol=1e-12, atol=1e-12)  # ≫ 18 terms of order 10 · 2^-53
    py = observed(exact.float() * 0.8, signed=not signed)  # some outputs are clamped
    q_y = c.linear(q_x, px, q_w, pw, py, q_b)
    assert q_y.dtype == py.dtype
    assert (q_y.int() - c.quantise(exact, py).int()).abs().max() <= 1
    # with the bias before its rounding to half a unit: M / 2 ≤ 1/2 a step more, so still one where M ≤ 1
    if (unit / py.scale.double()).max() <= 1:
        plain = float64(q_x, px) @ float64(q_w, pw).T + b.double()
        assert (q_y.int() - c.quantise(plain, py).int()).abs().max() <= 1


GEOMETRIES = [
    {},
    {"padding": 1},
    {"stride": (2, 1), "padding": (0, 2)},
    {"groups": 2},
    {"groups": 2, "stride": 2, "padding": 1},
]


@quick
@given(seeds, weight_grids, st.sampled_from([None, 0]), st.sampled_from(GEOMETRIES), st.floats(-2, 2))
def test_an_integer_convolution_is_the_dequantised_one_within_a_step(seed, grid, axis, geometry, shift):
    """The shift puts the zero point off 0, so that padding with the integer 0 before subtracting it would fail."""
    torch.manual_seed(seed)
    x, w, b = torch.randn(2, 4, 7, 6) + shift, torch.randn(6, 4 // geometry.get("groups", 1), 3, 2), torch.randn(6)
    q_x, px, q_w, pw, q_b = quantised_layer(x, w, b, grid, axis, {"signed": False})
    unit = (px.scale.double() * pw.scale.double()).reshape(-1, 1, 1)
    exact = nn.functional.conv2d(
        float64(q_x, px), float64(q_w, pw), (q_b * unit.flatten()).expand(6).contiguous(), **geometry
    )
    acc = c.conv2d_int32(q_x, px, q_w, pw, q_b, **geometry)
    assert acc.dtype == torch.int32
    torch.testing.assert_close(acc.double() * unit, exact, rtol=1e-12, atol=1e-12)  # ≫ 25 terms of order 10 · 2^-53
    py = observed(exact.float().relu())
    q_y = c.conv2d(q_x, px, q_w, pw, py, q_b, **geometry)
    assert (q_y.int() - c.quantise(exact, py).int()).abs().max() <= 1
    assert (c.dequantise(q_y, py) >= 0).all(), "a range observed behind ReLU makes the clamp a ReLU"


def test_a_whole_layer_is_near_the_float_layer():
    """Each product is off by at most |x| · s_w/2 + |ŵ| · s_x/2, the output by half a step and one."""
    x, w, b = normal(50, 30).relu(), normal(7, 30, seed=1), normal(7, seed=2)
    q_x, px, q_w, pw, q_b = quantised_layer(x, w, b, {"symmetric": True}, 0, {"signed": False})
    y = x @ w.T + b
    py = observed(y)
    error = (c.dequantise(c.linear(q_x, px, q_w, pw, py, q_b), py) - y).abs()
    ample = 1 + 2.0**-10
    bound = x.abs().sum(1, keepdim=True) * pw.scale / 2 + px.scale / 2 * c.dequantise(q_w, pw).abs().sum(1)
    assert (error <= ample * (bound + px.scale * pw.scale / 2 + 1.5 * py.scale)).all()
    assert error.max() < 0.1 * y.std()


def test_zero_points_subtracted_first_or_as_sums_afterwards_is_the_same():
    """[J18 (7)]: Σ q_x q_w - z_w Σ q_x - z_x Σ q_w + n z_x z_w, by another route in int64."""
    x, w = normal(4, 9) + 1, normal(5, 9, seed=1) - 1
    q_x, px, q_w, pw, _ = quantised_layer(x, w, torch.zeros(5), {"signed": False}, 0, {"signed": True})
    a, b, za, zb = q_x.long(), q_w.long(), px.zero_point.long(), pw.zero_point.long()
    assert za != 0 and (zb != 0).all()
    sums = a @ b.T - zb * a.sum(1, keepdim=True) - za * b.sum(1) + 9 * za * zb
    assert torch.equal(c.linear_int32(q_x, px, q_w, pw).long(), sums)


@pytest.mark.parametrize("signed", [True, False])
def test_the_longest_reduction_is_exact_and_one_more_is_refused(signed):
    """Both operands at their greatest distance from the zero point: int8 or int16 sums would wrap at once."""
    end = torch.tensor([0.0, 1.0])
    px, pw = observed(end, signed=signed), observed(end, symmetric=True)
    n = c.longest_reduction(px, pw)
    assert n == 66_311 and n * 255 * 127 <= 2**31 - 1 < (n + 1) * 255 * 127
    q_x, q_w = c.quantise(torch.ones(1, n + 1), px), c.quantise(torch.ones(1, n + 1), pw)
    assert c.linear_int32(q_x[:, :n], px, q_w[:, :n], pw).item() == n * 255 * 127
    with pytest.raises(ValueError, match=f"at most {n} products in an int32 sum, received {n + 1}: split"):
        c.linear_int32(q_x, px, q_w, pw)
    with pytest.raises(ValueError, match="at most"):  # the bias needs room as well
        c.linear_int32(q_x[:, :n], px, q_w[:, :n], pw, torch.tensor([2**31 - 1], dtype=torch.int32))
    both, two = observed(torch.tensor([-1.0, 1.0]), symmetric=True), observed(end)
    assert (c.longest_reduction(both, both), c.longest_reduction(two, two)) == (133_144, 33_025)


def test_dead_weights_leave_room_for_the_bias_and_a_bias_without_room_is_refused():
    x, w, b = normal(8, 5), torch.zeros(2, 5), torch.tensor([3.0, -200.0])
    q_x, px, q_w, pw, q_b = quantised_layer(x, w, b, {"symmetric": True}, 0, {})
    acc = c.linear_int32(q_x, px, q_w, pw, q_b)
    # half a unit of s_x · 2^-8, and two roundings of products
    torch.testing.assert_close(acc[0] * (px.scale * pw.scale), b, rtol=2 * U, atol=px.scale.item() * 2.0**-9)
    faint = observed(torch.full((2, 5), 1e-12), 0, symmetric=True)
    with pytest.raises(ValueError, match="raise the weights' scale with params"):
        c.quantise_bias(b, px, faint)
    again = observed(torch.full((2, 5), 1e-12), 0, symmetric=True, least=c.IDLE)
    assert (again.scale == c.IDLE).all() and c.quantise_bias(b, px, again).dtype == torch.int32


@quick
@given(
    st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=20),
    st.floats(2.0**-70, 2.0**29),
)
def test_the_fixed_point_product_is_the_rounded_product(acc, m):
    """m0 has 31 bits: the product is off by 2^-31 of itself before it is rounded."""
    m0, shift = c.fixed_point(torch.tensor(m, dtype=torch.float64))
    assert m0.dtype == torch.int64 and (m0 == 0 or 2**30 <= m0 < 2**31) and 1 <= shift <= 62
    ones = c.Params(torch.tensor(1.0), torch.tensor(0, dtype=torch.int32), -128, 127)
    x = c.Params(torch.tensor(m, dtype=torch.float32), ones.zero_point, -128, 127)
    got = c.requantise(torch.tensor(acc, dtype=torch.int32), x, ones, ones)
    for a, q in zip(acc, got.tolist(), strict=True):
        exact = a * float(x.scale)
        assert abs(q - min(max(exact, -128), 127)) <= 0.5 + 2.0**-31 * min(abs(exact), 256)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda a, w, y: c.linear(a.int(), y, w, y, y), "x as torch.int8, received torch.int32"),
        (lambda a, w, y: c.linear(a, y, w.view(torch.uint8), y, y), "w as torch.int8, received torch.uint8"),
        (lambda a, w, y: c.linear(a, y, w, y, y, torch.ones(4)), "bias in torch.int32, received torch.float32"),
        (lambda a, w, y: c.linear(a, y, w, c.Params(torch.ones(3), torch.zeros(3).int(), -128, 127, 1), y), "axis 0"),
        (lambda a, w, y: c.linear(a, _channels(2), w, y, y), "x per tensor"),
        (lambda a, w, y: c.linear(a, y, w, y, _channels(4)), "output per tensor"),
        (lambda a, w, y: c.fixed_point(torch.tensor(2.0**30)), "multipliers"),
        (lambda a, w, y: c.fixed_point(torch.tensor(0.0)), "multipliers"),
    ],
)
def test_integer_layers_refuse_what_they_would_get_wrong(call, text):
    a, w = torch.ones(2, 3, dtype=torch.int8), torch.ones(4, 3, dtype=torch.int8)
    y = c.Params(torch.tensor(1.0), torch.tensor(0, dtype=torch.int32), -128, 127)
    with pytest.raises(ValueError, match=text):
        call(a, w, y)


# ---------------------------------------------------------------------------------------------------------------------
# Batch norm


def trained(norm: nn.Module, seed: int = 0) -> nn.Module:
    """A batch norm whose statistics and parameters are nothing special."""
    make = torch.Generator().manual_seed(seed)
    for t in (norm.running_mean, norm.weight, norm.bias):
        if t is not None:
            t.data.normal_(generator=make)
    norm.running_var.uniform_(0.1, 4, generator=make)
    return norm.eval()


LAYERS = {
    "conv": (lambda bias: nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=bias), nn.BatchNorm2d, (5, 4, 8, 7)),
    "linear": (lambda bias: nn.Linear(9, 6, bias=bias), nn.BatchNorm1d, (5, 9)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_folded_layer_is_layer_and_batch_norm(kind, affine, bias):
    """Both routes sum n products and a bias, each rounded: (n + 4) · u · Σ|w·x| · |factor|, for the float32 weights and
    the norm's own four operations on a result no larger. Twice, as there are two routes."""
    make, norm_type, shape = LAYERS[kind]
    torch.manual_seed(0)
    layer, norm, x = make(bias), trained(norm_type(6, eps=1e-3, affine=affine)), normal(*shape)
    folded = c.fold_batch_norm(layer, norm)
    n = layer.weight[0].numel()
    factor = (1 if norm.weight is None else norm.weight.abs().max()) / (norm.running_var + norm.eps).sqrt().min()
    magnitude = copy.deepcopy(layer)
    magnitude.weight.data.abs_()
    terms = magnitude(x.abs()).abs().max() + norm.running_mean.abs().max() + (1 if bias else 0)
    shift = 0 if norm.bias is None else norm.bias.abs().max()
    atol = 2 * (n + 4) * U * (terms * factor + shift).item()
    assert atol < 1e-3
    torch.testing.assert_close(folded(x), norm(layer(x)), rtol=0, atol=atol)
    if kind == "conv":
        peer = fuse_conv_bn_eval(layer.eval(), norm)
        torch.testing.assert_close(folded(x), peer(x), rtol=0, atol=atol)
    assert (folded(x) - layer(x)).abs().max() > 0.1


def test_folding_leaves_both_as_they_were_and_shares_nothing():
    layer, norm = nn.Linear(3, 2), trained(nn.BatchNorm1d(2)).train()
    before = copy.deepcopy((layer.state_dict(), norm.state_dict()))
    folded = c.fold_batch_norm(layer, norm)
    for p in folded.parameters():
        p.data.zero_()
    for old, new in zip(before, (layer.state_dict(), norm.state_dict()), strict=True):
        assert all(torch.equal(old[key], new[key]) for key in old)


def test_what_cannot_be_folded_is_refused():
    for layer, norm, text in (
        (nn.Linear(3, 4), nn.BatchNorm1d(5), "of 4 channels, received 5"),
        (nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), "running statistics"),
        (nn.ConvTranspose2d(4, 4, 3), nn.BatchNorm2d(4), "received ConvTranspose2d"),
    ):
        with pytest.raises(ValueError, match=text):
            c.fold_batch_norm(layer, norm)


# ---------------------------------------------------------------------------------------------------------------------
# Pruning

shares = st.floats(0, 1)


@quick
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), shares)
def test_the_mask_has_the_exact_count_and_ties_go_by_index(values, share):
    w = torch.tensor(values, dtype=torch.float32).reshape(1, -1)
    mask = c.magnitude_mask(w, share)
    assert mask.shape == w.shape and mask.dtype == torch.bool
    pruned = sorted(range(len(values)), key=lambda i: (abs(values[i]), i))[: round(share * len(values))]
    assert (~mask).flatten().nonzero().flatten().tolist() == sorted(pruned)


def test_masks_are_those_of_torchs_pruning():
    """Where no magnitudes are equal: torch leaves ties to topk."""
    for share in (0.0, 0.3, 0.5, 0.999):
        layers = [nn.Linear(7, 5), nn.Conv2d(3, 4, 2)]
        for layer, scale in zip(layers, (1.0, 0.2), strict=True):
            layer.weight.data = scale * normal(*layer.weight.shape)
        weights = [layer.weight.detach().clone() for layer in layers]
        together, apart = (c.magnitude_masks(weights, share, per_layer) for per_layer in (False, True))
        for layer, mask in zip(copy.deepcopy(layers), apart, strict=True):
            prune.l1_unstructured(layer, "weight", amount=share)
            assert torch.equal(layer.weight_mask.bool(), mask)
        prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=share)
        assert all(torch.equal(layer.weight_mask.bool(), m) for layer, m in zip(layers, together, strict=True))
        if share == 0.5:
            kept = [m.double().mean() for m in together]
            assert kept[0] > 0.6 > 0.4 > kept[1], "together the layer of small weights loses more"


def test_pruning_refuses_percentages_and_nan():
    with pytest.raises(ValueError, match="not a percentage"):
        c.magnitude_mask(torch.ones(3), 50)
    with pytest.raises(ValueError, match="NaN"):
        c.magnitude_mask(torch.tensor([1.0, NAN]), 0.5)
    with pytest.raises(ValueError, match="leaves a filter of 3"):
        c.strongest_filters(torch.ones(3, 1, 1, 1), 0.9)


def test_filters_go_by_their_l1_norm():
    """Two filters whose order by L1 norm is not that by L2 norm, and two equal ones: the first of those goes."""
    w = torch.zeros(4, 2, 1, 3)
    w[0, 0, 0, 0] = 3.0  # L1 3, L2 3
    w[1] = 0.6  # L1 3.6, L2 1.5
    w[2, 1, 0, 1] = w[3, 0, 0, 2] = -3.5
    torch.testing.assert_close(c.filter_norms(w), torch.tensor([3.0, 3.6, 3.5, 3.5], dtype=torch.float64))
    assert c.strongest_filters(w, 0.25).tolist() == [1, 2, 3]
    assert c.strongest_filters(w, 0.5).tolist() == [1, 3]


@pytest.mark.parametrize("reader", ["conv", "linear"])
def test_a_net_without_filters_is_the_net_with_their_channels_at_zero(reader):
    """Sums of 6 · 9 or 6 · 20 terms in another order: n · u · Σ|w·h|."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 6, 3, bias=reader == "conv"), trained(nn.BatchNorm2d(6))
    norm.bias.data.abs_()  # so that ReLU leaves something of every channel
    following = nn.Conv2d(6, 5, 3) if reader == "conv" else nn.Linear(6 * 20, 7)
    shape = (lambda h: h) if reader == "conv" else (lambda h: h.flatten(1))
    x = normal(2, 3, 6, 7)
    keep = c.strongest_filters(conv.weight, 1 / 3)
    assert len(keep) == 4
    small = c.prune_filters(conv, norm, following, keep)
    h = norm(conv(x)).relu()
    assert (h[:, [i for i in range(6) if i not in keep]] > 0).any(), "what is dropped was not zero anyway"
    gate = torch.zeros(6, 1, 1)
    gate[keep] = 1
    expected = following(shape(h * gate))
    h_small = small[1](small[0](x)).relu()
    n = following.weight[0].numel()
    bound = n * U * (following.weight.abs().flatten(1).sum(1) * h.abs().max()).max().item()
    torch.testing.assert_close(small[2](shape(h_small)), expected, rtol=0, atol=bound)
    assert small[0].weight.shape == (4, 3, 3, 3) and small[0].out_channels == small[1].num_features == 4
    assert small[2].weight.shape == ((5, 4, 3, 3) if reader == "conv" else (7, 80))
    assert getattr(small[2], "in_channels" if reader == "conv" else "in_features") == (4 if reader == "conv" else 80)
    sizes = [sum(len(c.encode(p)) for p in m.parameters()) for m in (conv, small[0], following, small[2])]
    assert sizes[1] < sizes[0] and sizes[3] < sizes[2], "and the files are smaller"
    assert (conv.out_channels, norm.num_features, following.weight.shape[1]) == (6, 6, 6 if reader == "conv" else 120)


def test_structured_pruning_trains_alone_and_refuses_what_it_cannot_cut():
    conv, norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False)
    small, thin, nothing = c.prune_filters(conv, norm, None, torch.tensor([4, 1]))
    assert nothing is None and torch.equal(small.weight, conv.weight[[4, 1]])
    before = conv.weight.clone()
    thin(small(normal(2, 3, 5, 5))).sum().backward()
    assert small.weight.grad is not None and conv.weight.grad is None
    small.weight.data.zero_()
    assert torch.equal(conv.weight, before) and thin.running_var.shape == (2,) and norm.running_var.shape == (6,)
    assert c.prune_filters(conv, None, None, torch.tensor([0]))[1] is None
    frozen = c.prune_filters(conv.requires_grad_(False), None, None, torch.tensor([0]))[0]
    assert not any(p.requires_grad for p in frozen.parameters()), "what was frozen stays frozen"
    for args, text in (
        ((nn.Conv2d(4, 6, 3, groups=2), None, None), "groups=1"),
        ((conv, None, nn.Conv2d(6, 6, 3, groups=6)), "groups=1"),
        ((conv, None, nn.Conv2d(12, 5, 1)), "reads 6 channels, received one of 12"),
        ((conv, None, nn.Linear(20, 5)), "reads 6 channels, received one of 20"),
    ):
        with pytest.raises(ValueError, match=text):
            c.prune_filters(*args, torch.tensor([0, 2]))


# ---------------------------------------------------------------------------------------------------------------------
# Storage


@st.composite
def stored(draw):
    dtype = draw(st.sampled_from(c.DTYPES))
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    n, size = math.prod(shape), dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=n * size, max_size=n * size)), np.uint8).reshape(n, size).copy()
    kind = raw[:, 0] % 4
    raw[kind > 0] = 0
    raw[kind == 1, -1] = 128  # -0.0 in floats
    if dtype == torch.bool:
        raw //= 128
    return torch.frombuffer(raw, dtype=dtype).reshape(shape) if n else torch.empty(shape, dtype=dtype)


@settings(max_examples=150, deadline=None)
@given(stored(), st.sampled_from(c.CODINGS))
def test_what_was_encoded_comes_back_bit_by_bit(t, coding):
    """Any bits: NaN with a payload, -0.0 and subnormals among them."""
    if coding == "huffman" and t.element_size() > 1:
        with pytest.raises(ValueError, match="one byte for huffman"):
            c.encode(t, coding)
        return
    data = c.encode(t, coding)
    assert type(data) is bytes
    assert bits_of(c.decode(data)) == bits_of(t)


@pytest.mark.parametrize("coding", c.CODINGS)
def test_larger_tensors_and_strides_come_back(coding):
    q = c.quantise(normal(300, 301) ** 3, observed(normal(9) * 3))
    t = (q * c.magnitude_mask(q.float(), 0.7)).T
    assert not t.is_contiguous()
    assert bits_of(c.decode(c.encode(t, coding))) == bits_of(t)


def test_sizes_are_those_of_the_documented_layout(tmp_path):
    q = torch.zeros(30, 20, 2, dtype=torch.int8)
    q[3, 4, 1], q[29, 0, 0] = 7, -1
    header = 2 + 3 + 3 * 4
    assert len(c.encode(q)) == header + 1200
    assert len(c.encode(q, "csr")) == header + 4 + 31 * 1 + 2 * (1 + 1)  # 40 columns: a byte each
    assert len(c.encode(q.float(), "csr")) == header + 4 + 31 + 2 * (1 + 4)
    wide = q.reshape(2, 600)  # 600 columns: two bytes each
    assert len(c.encode(wide, "csr")) == header - 4 + 4 + 3 * 1 + 2 * (2 + 1)
    full = torch.ones(2, 600, dtype=torch.int8)  # 1200 nonzeros: row starts of two bytes
    assert len(c.encode(full, "csr")) == header - 4 + 4 + 3 * 2 + 1200 * (2 + 1)
    # codes 0 for zero, 10 and 11 for the others: 1198 + 2 · 2 bits
    assert len(c.encode(q, "huffman")) == header + 32 + 3 + math.ceil((1198 + 4) / 8)
    for coding in c.CODINGS:
        path = tmp_path / coding
        path.write_bytes(c.encode(q, coding))
        assert path.stat().st_size == len(c.encode(q, coding))


def test_masked_zeros_save_nothing_in_a_dense_file():
    w = normal(64, 100)
    masked = c.masked(w, c.magnitude_mask(w, 0.9))
    assert (masked == 0).double().mean() == 0.9
    assert len(c.encode(masked)) == len(c.encode(w))
    q, q_masked = (c.quantise(t, observed(t, symmetric=True)) for t in (w, masked))
    assert len(c.encode(q_masked)) == len(c.encode(q))
    for coding in ("csr", "zlib", "lzma"):
        assert len(c.encode(masked, coding)) < 0.35 * len(c.encode(w))
    assert len(c.encode(q_masked, "huffman")) < 0.5 * len(c.encode(q, "huffman"))


def test_a_product_with_the_mask_would_store_minus_zeros():
    w, mask = torch.tensor([-1.0, -2.0, 3.0]), torch.tensor([False, True, False])
    assert bits_of(c.masked(w, mask)) == bits_of(torch.tensor([0.0, -2.0, 0.0]))
    assert len(c.encode(w * mask, "csr")) > len(c.encode(c.masked(w, mask), "csr"))
    assert bits_of(c.decode(c.encode(w * mask, "csr"))) == bits_of(w * mask)


def test_raw_int8_is_at_most_four_times_smaller():
    w = normal(128, 90)
    p = observed(w, 0, symmetric=True)
    model = {"w": c.encode(c.quantise(w, p)), "scale": c.encode(p.scale)}
    assert 3.5 < len(c.encode(w)) / len(c.pack(model)) < 4


def test_a_sparse_file_of_a_full_tensor_is_larger_than_a_dense_one():
    w = normal(64, 100)
    assert len(c.encode(w, "csr")) > len(c.encode(w))


@quick
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=256))
def test_huffmans_codes_are_prefix_free_and_within_a_bit_of_shannons_bound(counts):
    lengths = c.code_lengths(counts)
    codes = c.canonical_codes(lengths)
    assert set(codes) == {i for i, n in enumerate(counts) if n}
    words = sorted(codes.values())
    assert not any(b.startswith(a) for a, b in itertools.pairwise(words))
    total = sum(counts)
    if len(codes) > 1:
        assert sum(2.0 ** -len(word) for word in words) == 1.0, "no bit is wasted: Kraft's sum is 1"
        entropy = -sum(n / total * math.log2(n / total) for n in counts if n)
        mean = sum(n * length for n, length in zip(counts, lengths, strict=True)) / total
        assert entropy - 1e-9 <= mean < entropy + 1


def test_huffmans_code_is_the_shortest_of_all_prefix_codes():
    """By brute force over every set of lengths with Kraft's sum at most 1, for 5 symbols."""
    for counts in ([1, 1, 2, 3, 5], [4, 4, 4, 4, 4], [1, 2, 4, 8, 16], [9, 1, 1, 1, 30]):
        best = min(
            sum(n * k for n, k in zip(counts, lengths, strict=True))
            for lengths in itertools.product(range(1, 6), repeat=5)
            if sum(2.0**-k for k in lengths) <= 1
        )
        assert sum(n * k for n, k in zip(counts, c.code_lengths(counts), strict=True)) == best


def test_fibonacci_counts_give_long_codes_that_come_back():
    """Symbol i occurs F(i) times: the tree is a comb and the rarest code has 19 bits, more than two bytes."""
    counts = [1, 1]
    while len(counts) < 20:
        counts.append(counts[-1] + counts[-2])
    assert max(c.code_lengths(counts)) == 19
    order = torch.randperm(sum(counts), generator=torch.Generator().manual_seed(0))
    t = torch.repeat_interleave(torch.arange(20), torch.tensor(counts))[order].to(torch.uint8)
    assert bits_of(c.decode(c.encode(t, "huffman"))) == bits_of(t)


def test_files_of_entropy_coded_weights_are_near_shannons_bound():
    q = c.quantise(normal(200, 300), observed(normal(200, 300), symmetric=True, bits=5))
    bound, overhead = c.shannon_bytes(q), 5 + 2 * 4 + 32 + len(q.unique()) + 1
    assert bound <= len(c.encode(q, "huffman")) - overhead + 1 <= bound * 1.02
    assert len(c.encode(q, "huffman")) < len(c.encode(q, "zlib")), "without repeats nothing is left for zlib to find"
    assert c.shannon_bytes(torch.zeros(9, dtype=torch.int8)) == 0 == c.shannon_bytes(torch.empty(0, dtype=torch.int8))
    assert c.shannon_bytes(torch.arange(256, dtype=torch.uint8)) == 256
    again = q[:1].repeat(200, 1)
    assert len(c.encode(again, "zlib")) < c.shannon_bytes(again), "repeats are beyond a bound for single bytes"


@pytest.mark.parametrize("coding", c.CODINGS)
def test_damaged_files_are_refused(coding):
    t = (torch.arange(60) % 7).reshape(4, 15).to(torch.int8)
    data = c.encode(t, coding)
    for broken in (b"", data[:3], data[:8], data[:-5], b"xx" + data[2:], data[:2] + b"\x77" + data[3:]):
        with pytest.raises(ValueError):
            c.decode(broken)


def test_files_are_packed_with_their_names():
    files = {"weight": b"abc", "größe": b"", "": b"\0" * 70_000}
    data = c.pack(files)
    assert len(data) == sum(10 + len(name.encode()) + len(file) for name, file in files.items())
    assert c.unpack(data) == files and c.unpack(b"") == {}
    for end in (5, 12, len(data) - 1):
        with pytest.raises(ValueError, match="cut short"):
            c.unpack(data[:end])


def test_unknown_codings_and_dtypes_are_refused():
    with pytest.raises(ValueError, match="received 'brotli'"):
        c.encode(torch.ones(2), "brotli")
    with pytest.raises(ValueError, match="complex64"):
        c.encode(torch.ones(2, dtype=torch.complex64))


def test_the_comparison_is_pythons_own_zlib():
    t = torch.arange(300, dtype=torch.int32)
    assert c.encode(t, "zlib").endswith(zlib.compress(t.numpy().tobytes(), 9))


# ---------------------------------------------------------------------------------------------------------------------
# The field's own tools


def tiny(kind: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if kind == "linear":
        return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)), normal(16, 20)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), trained(nn.BatchNorm2d(16)), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 5)
    )
    return net, normal(16, 3, 6, 6)


def near(y: Tensor, reference: Tensor) -> None:
    """A step of int8 is 1/127 of the largest or less, and steps' errors are independent: 5 % of the outputs' spread is
    ample for two layers, and rules out a scale or zero point in the wrong place."""
    assert (y - reference).square().mean().sqrt() < 0.05 * reference.std()
    assert not torch.equal(y, reference), "something was quantised"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_onnx_runtimes_int8_is_near_fp32(kind, tmp_path):
    net, x = tiny(kind)
    with torch.no_grad():
        reference = net.eval()(x)
    net.train()
    fp32, dynamic, static = (tmp_path / f"{name}.onnx" for name in ("fp32", "dynamic", "static"))
    c.to_onnx(net, x[:2], fp32)
    assert net.training, "exported in eval mode, from a copy"
    # two routes of float32 through sums of at most 576 terms of order 1
    torch.testing.assert_close(c.onnx_run(fp32, x), reference, rtol=0, atol=576 * U * 4)
    c.onnx_dynamic(fp32, dynamic)
    c.onnx_static(fp32, static, x.split(4))
    for path in (dynamic, static):
        near(c.onnx_run(path, x), reference)
        assert c.onnx_run(path, x[:1]).shape == (1, 5), "the batch is free"
        assert path.stat().st_size < fp32.stat().st_size


@pytest.mark.parametrize("activations", [True, False])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_torchaos_int8_is_near_fp32(kind, activations):
    net, x = tiny(kind)
    before = copy.deepcopy(net.state_dict())
    small = c.torchao_int8(net, activations)
    with torch.no_grad():
        near(small(x), net.eval()(x))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert np.array_equal(type(net[-1].weight), nn.Parameter) and type(small[-1].weight) is not nn.Parameter
