"""`quintet.amp` is right: against `torch.amp.GradScaler` side by side, by properties, and by hand-computed cases.

Two scalers that agree do the same arithmetic in the same order, so wherever the peer is `torch.amp.GradScaler` equality
is bitwise. Tolerances stand elsewhere only, each with its derivation.
"""

import copy
import math
import pickle
import random

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from quintet import amp

HALVES = [torch.float16, torch.bfloat16]
gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=gpu)]

INF, NAN = math.inf, math.nan
HUGE = 3e38  # finite in fp32, but two of them sum to more than its largest number


def ours(*args, device="cpu", **kwargs) -> amp.GradScaler:
    return amp.GradScaler(*args, **kwargs)


def peer(*args, device="cpu", **kwargs) -> torch.amp.GradScaler:
    return torch.amp.GradScaler(device, *args, **kwargs)


SCALERS = [ours, peer]


def tracker(scaler) -> int:
    return scaler.state_dict()["_growth_tracker"]


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal with NaN equal to NaN: torch.equal on the bit patterns."""
    a, b = (t.detach().reshape(-1).view(torch.uint8) for t in (a, b))
    return torch.equal(a, b)


# ---------------------------------------------------------------------------------------------------------------------
# Number formats


@pytest.mark.parametrize("f", amp.FORMATS.values(), ids=lambda f: f.name)
def test_formats_are_those_of_finfo(f):
    info = torch.finfo(f.dtype)
    assert 1 + f.exponent + f.mantissa == info.bits
    assert (f.eps, f.largest, f.smallest_normal) == (info.eps, info.max, info.smallest_normal)
    below = torch.tensor([f.smallest, f.smallest / 2], dtype=torch.float64).to(f.dtype).tolist()
    assert below == [f.smallest, 0.0], "the smallest number is representable and half of it is not"


def test_zeroed_and_overflowed_fractions_by_hand():
    small = torch.tensor([0.0, 2.0**-24, 2.0**-25, -(2.0**-30), 1.0])  # fp16 begins at 2^-24; 2^-25, a tie, is 0
    assert amp.zeroed_fraction(small, 1.0, torch.float16) == 2 / 4
    assert amp.zeroed_fraction(small, 2.0, torch.float16) == 1 / 4
    assert amp.zeroed_fraction(small, 2.0**6, torch.float16) == 0
    assert amp.zeroed_fraction(small, 1.0, torch.bfloat16) == 0
    large = torch.tensor([65504.0, 65519.0, -65520.0, 1e5, INF, NAN])  # fp16 ends at 65504: from 65520 on rounds to inf
    assert amp.overflowed_fraction(large, 1.0, torch.float16) == 2 / 4
    assert amp.overflowed_fraction(large, 2.0, torch.float16) == 1
    assert amp.overflowed_fraction(large, 0.5, torch.float16) == 0
    assert amp.overflowed_fraction(large, 1.0, torch.bfloat16) == 0


@pytest.mark.parametrize("fraction", [amp.zeroed_fraction, amp.overflowed_fraction])
@pytest.mark.parametrize("values", [[], [0.0], [NAN]])
def test_fractions_of_nothing_are_zero(fraction, values):
    assert fraction(torch.tensor(values), 2.0, torch.float16) == 0.0


floats = st.floats(width=32)
scales = st.floats(2.0**-40, 2.0**40)


@given(st.lists(floats, max_size=30), scales, scales, st.sampled_from(HALVES))
def test_a_larger_scale_zeroes_no_more_and_overflows_no_less(values, a, b, dtype):
    values, (small, large) = torch.tensor(values), sorted([a, b])
    assert amp.zeroed_fraction(values, small, dtype) >= amp.zeroed_fraction(values, large, dtype)
    assert amp.overflowed_fraction(values, small, dtype) <= amp.overflowed_fraction(values, large, dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Autocast


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_policy_is_what_autocast_does(device, dtype):
    assert amp.observed_policy(device, dtype) == {op: precision[device] for op, precision in amp.POLICY.items()}


# ---------------------------------------------------------------------------------------------------------------------
# The check and the scale


@given(st.lists(st.lists(st.one_of(floats, st.sampled_from([INF, -INF, NAN, HUGE, -HUGE])), max_size=8), max_size=4))
def test_all_finite_looks_at_every_entry(rows):
    tensors = [torch.tensor(row) for row in rows]
    assert amp.all_finite(tensors) == all(math.isfinite(x) for row in rows for x in row)


def test_finite_gradients_whose_sum_overflows_are_not_called_inf():
    grads = [torch.full((4,), HUGE), torch.ones(3)]
    assert grads[0].sum().isinf()
    assert not amp.unscale_(grads, torch.tensor(2.0))
    assert grads[0].tolist() == torch.full((4,), HUGE / 2).tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_unscale_divides_in_place_with_one_rounding_of_the_inverse(dtype):
    grads = [torch.randn(s, dtype=dtype) for s in [(5, 3), (), (0,), (4, 6, 3), (9,)]]
    grads[3] = grads[3].transpose(0, 2)
    expected, found = [g.clone() for g in grads], torch.zeros(())
    inverse = torch.tensor(1 / 1234.567, dtype=torch.float32)
    for g in expected:
        torch._amp_foreach_non_finite_check_and_unscale_([g], found, inverse)
    assert not amp.unscale_(grads, torch.tensor(1234.567))
    assert all(map(same_bits, grads, expected))


def test_unscale_of_no_gradients_finds_nothing():
    assert not amp.unscale_([], torch.tensor(2.0))


def test_next_scale_by_hand():
    def after(scale, streak, found_inf, interval=3):
        scale, streak = amp.next_scale(torch.tensor(scale), streak, found_inf, 2.0, 0.5, interval)
        return scale.item(), streak

    assert after(8.0, 0, False) == (8.0, 1)
    assert after(8.0, 2, False) == (16.0, 0), "the third clean step in a row grows"
    assert after(8.0, 2, True) == (4.0, 0), "an overflow backs off and counts again"
    assert after(8.0, 0, False, interval=1) == (16.0, 0)
    assert after(2.0**127, 2, False) == (2.0**127, 0), "growth to inf stays, and counts again"


@pytest.mark.parametrize("kind", SCALERS)
def test_scale_never_grows_to_inf(kind):
    p = nn.Parameter(torch.zeros(1))
    optimizer, scaler = torch.optim.SGD([p]), kind(2.0**126, growth_interval=1)
    seen = []
    for _ in range(3):
        p.grad = scaler.scale(torch.ones(1))
        scaler.step(optimizer)
        scaler.update()
        seen.append(scaler.get_scale())
    assert seen == [2.0**127] * 3


# ---------------------------------------------------------------------------------------------------------------------
# GradScaler against torch's, side by side


class Side:
    """One of two trainings that must stay equal bit for bit: a scaler, its parameters and its optimizers."""

    SHAPES = [(7, 5), (11,), ()]

    def __init__(self, scaler, optimizers: list[str], seed: int, device="cpu", dtypes=(torch.float32,)):
        self.scaler, self.device, self.steps = scaler, device, 0
        make = torch.Generator().manual_seed(seed)
        self.params = [
            [nn.Parameter(torch.randn(s, generator=make).to(device, d)) for d in dtypes for s in self.SHAPES]
            for _ in optimizers
        ]
        kinds = {"sgd": lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9), "adam": lambda p: torch.optim.Adam(p, 1e-3)}
        self.optimizers = [kinds[name](p) for name, p in zip(optimizers, self.params, strict=True)]
        self.count_steps()

    def count_steps(self):
        def count(*_):
            self.steps += 1

        for optimizer in self.optimizers:
            optimizer.register_step_post_hook(count)

    def twin(self, scaler) -> "Side":
        """The same parameters and optimizers, copied, with another scaler."""
        other = copy.deepcopy(self)
        other.scaler = scaler
        other.count_steps()  # an optimizer's copy has no hooks
        return other

    def train(self, seed: int, inject: list[list[tuple[int, int, float]]], clip: bool, new_scale: float | None = None):
        """One step. inject: for each optimizer (tensor, entry, value) to plant in the scaled gradients."""
        make = torch.Generator().manual_seed(seed)
        for optimizer, params, planted in zip(self.optimizers, self.params, inject, strict=True):
            optimizer.zero_grad()
            loss = sum((p * torch.randn(p.shape, generator=make).to(p)).sum() for p in params)
            self.scaler.scale(loss).backward()
            for tensor, entry, value in planted:
                grad = params[tensor % len(params)].grad.view(-1)
                grad[entry % len(grad)] = value
            if clip:
                self.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(params, 1.0)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update(new_scale)


def assert_same(a: Side, b: Side):
    assert a.steps == b.steps, "one side skipped a step and the other did not"
    assert (a.scaler.get_scale(), tracker(a.scaler)) == (b.scaler.get_scale(), tracker(b.scaler))
    for x, y in zip(sum(a.params, []), sum(b.params, []), strict=True):
        assert same_bits(x, y)


def side_by_side(a: Side, b: Side, steps: int, seed: int, rate: float, clip=False, reset_every=10**9) -> dict[str, int]:
    """Train both with the same gradients, compare after every step, count what happened.

    reset_every: give both the first scale again after so many steps, because a drift would end at 0 or inf.
    """
    draw, start = random.Random(seed), a.scaler.get_scale()
    happened = {"skipped": 0, "grown": 0, "finite injections": 0}

    def plant():
        return draw.randrange(99), draw.randrange(99), draw.choice([INF, -INF, NAN, HUGE])

    for t in range(1, steps + 1):
        inject = [[plant()] if draw.random() < rate else [] for _ in a.optimizers]
        new_scale = None if t % reset_every else start
        before, stepped = a.scaler.get_scale(), a.steps
        for side in (a, b):
            side.train(seed + t, inject, clip, new_scale)
        assert_same(a, b)
        happened["skipped"] += a.steps - stepped < len(a.optimizers)
        happened["grown"] += new_scale is None and a.scaler.get_scale() > before
        happened["finite injections"] += any(value == HUGE for planted in inject for _, _, value in planted)
    return happened


def moved(side: Side, since: list[list[Tensor]]) -> float:
    """Share of the entries that are finite and differ from `since`."""
    pairs = [(p, q) for ps, qs in zip(side.params, since, strict=True) for p, q in zip(ps, qs, strict=True)]
    return sum(((p != q) & p.isfinite()).sum().item() for p, q in pairs) / sum(p.numel() for p, _ in pairs)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**31),
    init_scale=st.floats(1.0, 2.0**20, width=32),
    growth=st.floats(1.0625, 4.0),
    backoff=st.floats(0.25, 0.9375),
    interval=st.integers(1, 6),
    rate=st.floats(0.05, 0.2),
    optimizers=st.lists(st.sampled_from(["sgd", "adam"]), min_size=1, max_size=2),
    clip=st.booleans(),
)
def test_1000_steps_are_torchs_bit_for_bit(seed, init_scale, growth, backoff, interval, rate, optimizers, clip):
    a, b = (Side(kind(init_scale, growth, backoff, interval), optimizers, seed) for kind in SCALERS)
    since = copy.deepcopy(a.params)
    happened = side_by_side(a, b, 1000, seed, rate, clip, reset_every=50)
    assert min(happened.values()) > 0 and happened["skipped"] > 5 and happened["grown"] > 5, happened
    assert moved(a, since) > 0.5


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_of_several_dtypes_are_torchs_bit_for_bit(device):
    second = torch.bfloat16 if device == "cpu" else torch.float32  # torch's kernel for CUDA knows no bf16 gradients
    dtypes = (torch.float32, second, torch.float64)
    a, b = (Side(kind(1000.0, 1.7, 0.3, 5, device=device), ["sgd"], 3, device, dtypes) for kind in SCALERS)
    since = copy.deepcopy(a.params)
    happened = side_by_side(a, b, 100, 3, rate=0.1)
    assert happened["skipped"] and happened["grown"] and moved(a, since) > 0.5


def test_fused_optimizers_step_and_skip_as_torchs():
    """torch hands scale and inf to a fused optimizer, which divides by itself: exactly, for a power of two."""
    sides = []
    for kind in SCALERS:
        p, scaler = nn.Parameter(torch.ones(5)), kind(1024.0, growth_interval=2)
        optimizer = torch.optim.Adam([p], 0.1, fused=True)
        for bad in [False, True, False, False, False]:
            p.grad = scaler.scale(torch.arange(5.0) - (INF if bad else 1))
            scaler.step(optimizer)
            scaler.update()
        sides.append((p.detach(), scaler.get_scale(), tracker(scaler)))
    assert torch.equal(sides[0][0], sides[1][0]) and not torch.equal(sides[0][0], torch.ones(5))
    assert sides[0][1:] == sides[1][1:] == (1024.0, 1)


@pytest.mark.parametrize(("here", "there"), [(ours, peer), (peer, ours)], ids=["ours to torch", "torch to ours"])
def test_a_checkpoint_goes_on_in_the_other_scaler(here, there):
    a = Side(here(1000.0, 1.5, 0.7, 4), ["sgd"], seed=1)
    for t in range(6):
        a.train(t, [[(0, t, INF)] if t == 2 else []], clip=False)
    assert tracker(a.scaler) == 3 and a.scaler.get_scale() != 1000.0, "a state worth handing over"
    b = a.twin(there())
    b.scaler.load_state_dict(copy.deepcopy(a.scaler.state_dict()))
    assert a.scaler.state_dict() == b.scaler.state_dict()
    happened = side_by_side(a, b, 50, seed=9, rate=0.1)
    assert happened["skipped"] and happened["grown"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copy_goes_on_alike_and_independently(again):
    a = Side(ours(1000.0, 1.5, 0.7, 4), ["adam"], seed=1)
    for t in range(6):
        a.train(t, [[]], clip=False)
    twin, before = again(a.scaler), a.scaler.state_dict()
    b = a.twin(twin)
    b.train(0, [[(0, 0, NAN)]], clip=False)
    assert twin.state_dict() != before and a.scaler.state_dict() == before
    a.train(0, [[(0, 0, NAN)]], clip=False)
    assert_same(a, b)


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph")
@pytest.mark.parametrize("create_graph", [False, True])
def test_unscaling_leaves_no_trace_in_the_graph(create_graph):
    """With create_graph, as for a gradient penalty, gradients are themselves part of a graph."""
    for kind in SCALERS:
        p, scaler = nn.Parameter(torch.tensor([2.0])), kind(8.0)
        optimizer = torch.optim.SGD([p], 0.1)
        scaler.scale((p**3).sum()).backward(create_graph=create_graph)
        made_by = p.grad.grad_fn
        scaler.unscale_(optimizer)
        assert p.grad.grad_fn is made_by and p.grad.item() == 12.0
        p.grad = None


# Each misuses a scaler that has scaled a loss and an optimizer that has the gradients.
MISUSES = {
    "unscale_ twice": lambda s, o: (s.unscale_(o), s.unscale_(o)),
    "unscale_ after step": lambda s, o: (s.step(o), s.unscale_(o)),
    "unscale_ after unscale_ and step": lambda s, o: (s.unscale_(o), s.step(o), s.unscale_(o)),
    "step twice": lambda s, o: (s.step(o), s.step(o)),
    "step with a closure": lambda s, o: s.step(o, closure=lambda: 1.0),
    "step without gradients": lambda s, o: (o.zero_grad(), s.step(o)),
    "update without checks": lambda s, o: s.update(),
    "update twice": lambda s, o: (s.step(o), s.update(), s.update()),
    "load an empty state": lambda s, o: s.load_state_dict({}),
    "scale a number": lambda s, o: s.scale(1.0),
    "scale a list with a number": lambda s, o: s.scale([torch.ones(1), 2.0]),
    "copy between unscale_ and update": lambda s, o: (s.unscale_(o), copy.deepcopy(s)),
    "pickle between step and update": lambda s, o: (s.step(o), pickle.dumps(s)),
}


def ready(kind, dtype=torch.float32):
    p = nn.Parameter(torch.ones(3, dtype=dtype))
    scaler, optimizer = kind(), torch.optim.SGD([p], 0.1)
    scaler.scale(p.sum()).backward()
    return scaler, optimizer


def raised(misuse, *args) -> BaseException:
    with pytest.raises(Exception) as caught:
        misuse(*args)
    return caught.value


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_misuse_raises_what_torch_raises(misuse):
    mine, theirs = (raised(misuse, *ready(kind)) for kind in SCALERS)
    assert type(mine) is type(theirs)


def test_fp16_gradients_raise_what_torch_raises():
    mine, theirs = (raised(lambda s, o: s.unscale_(o), *ready(kind, torch.float16)) for kind in SCALERS)
    assert type(mine) is type(theirs) is ValueError
    assert "MasterWeights" in str(mine)


def test_messages_tell_unscaling_twice_from_unscaling_after_the_step():
    assert "already" in str(raised(MISUSES["unscale_ twice"], *ready(ours)))
    assert "after step" in str(raised(MISUSES["unscale_ after step"], *ready(ours)))


@pytest.mark.parametrize("bad", [{"growth_factor": 1.0}, {"growth_factor": 0.5}, {"backoff_factor": 1.0}], ids=str)
def test_constructor_refuses_what_torch_refuses(bad):
    mine, theirs = (raised(lambda kind: kind(**bad), kind) for kind in SCALERS)
    assert type(mine) is type(theirs)
    for kind in SCALERS:
        kind(**bad, enabled=False)


@pytest.mark.parametrize("argument", ["backoff_factor", "growth_interval", "init_scale"])
@pytest.mark.parametrize("value", [0, -1])
def test_constructor_refuses_more_than_torch(argument, value):
    bad = {argument: value}
    peer(**bad)
    assert isinstance(raised(lambda: ours(**bad)), AssertionError)


def test_a_streak_beyond_the_interval_grows_where_torchs_waits_for_a_skip():
    """A difference on purpose: torch asks for equality, so an interval lowered below the streak stops growth."""
    state = {"scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3, "_growth_tracker": 5}
    after = []
    for kind in SCALERS:
        scaler, optimizer = ready(kind)
        scaler.load_state_dict(state)
        scaler.step(optimizer)
        scaler.update()
        after.append((scaler.get_scale(), tracker(scaler)))
    assert after == [(16.0, 0), (8.0, 6)]


@pytest.mark.parametrize("kind", SCALERS)
def test_a_disabled_scaler_passes_through(kind):
    p = nn.Parameter(torch.ones(2))
    scaler, optimizer = kind(enabled=False), torch.optim.SGD([p], 0.5)
    loss = p.sum()
    nested = [loss, (loss,)]
    assert scaler.scale(loss) is loss and scaler.scale(nested) is nested
    p.grad = torch.tensor([1.0, INF])
    scaler.unscale_(optimizer)
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0, INF]
    assert scaler.step(optimizer, closure=lambda: 7.0) == 7.0 and p.tolist() == [0.5, -INF]
    scaler.update()
    scaler.update(new_scale=4.0)
    scaler.load_state_dict({})
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})


def test_nested_iterables_are_scaled_and_keep_their_types():
    def nest(kind):
        scaler, one = kind(4.0), torch.ones(2)
        scaled = scaler.scale([one, (one, [one * 2]), (t for t in (one, one * 3))])
        assert not isinstance(scaled[2], (list, tuple)), "a generator stays lazy"
        scaled[2] = list(scaled[2])
        return scaled

    mine, theirs = nest(ours), nest(peer)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert type(mine) is list and type(mine[1]) is tuple and type(mine[1][1]) is list
    assert mine[2][1].tolist() == [12.0, 12.0]


def test_a_given_scale_is_copied_and_leaves_the_streak():
    after = []
    for kind in SCALERS:
        (scaler, optimizer), given_scale = ready(kind), torch.tensor(64.0)
        scaler.step(optimizer)
        scaler.update()
        scaler.update(given_scale)
        given_scale.zero_()
        after.append((scaler.get_scale(), tracker(scaler)))
    assert after == [(64.0, 1)] * 2


@pytest.mark.parametrize("planted", [0.0, INF, NAN])
def test_sparse_gradients_are_torchs(planted):
    results = []
    for kind in SCALERS:
        table = nn.Embedding(6, 3, sparse=True)
        nn.init.ones_(table.weight)
        scaler, optimizer = kind(1024.0, growth_interval=1), torch.optim.SGD(table.parameters(), 0.5)
        scaler.scale(table(torch.tensor([1, 4, 1])).sum()).backward()
        assert table.weight.grad.is_sparse
        table.weight.grad._values()[1, 2] += planted
        scaler.step(optimizer)
        scaler.update()
        results.append((table.weight.detach(), scaler.get_scale()))
    assert torch.equal(results[0][0], results[1][0]) and results[0][1] == results[1][1]
    moved_to = 0.0 if planted == 0 else 1.0  # row 1 occurs twice: 1 - 2 · 0.5, if all is finite
    assert results[0][0][1, 0].item() == moved_to


def test_an_inf_that_only_summing_duplicate_rows_makes_is_seen():
    """A difference on purpose: torch sums duplicates first for fp16 only, and steps to an infinite weight."""
    weights = []
    for kind in SCALERS:
        p = nn.Parameter(torch.ones(3, 1))
        scaler, optimizer = kind(1.0), torch.optim.SGD([p], 1.0)
        scaler.scale(p.sum())
        p.grad = torch.sparse_coo_tensor([[1, 1]], [[HUGE], [HUGE]], (3, 1), check_invariants=True)
        scaler.step(optimizer)
        weights.append(p.detach().flatten().tolist())
    assert weights == [[1.0, 1.0, 1.0], [1.0, -INF, 1.0]]


# ---------------------------------------------------------------------------------------------------------------------
# One training step


def net(dtype=torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4)).to(dtype)


def batches(k: int, n: int, dtype=torch.float32, seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    make = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, 6, generator=make).to(dtype), torch.randint(4, (n,), generator=make)) for _ in range(k)]


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def sgd(model: nn.Module, **kwargs) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), 0.1, **kwargs)


loss_fn = nn.functional.cross_entropy
OFF = {"dtype": torch.float32}


def test_without_autocast_and_scaler_it_is_plain_training():
    model, plain = net(), net()
    optimizer, reference = sgd(model, momentum=0.9), sgd(plain, momentum=0.9)
    for x, y in batches(5, 8):
        step = amp.train_step(model, loss_fn, [(x, y)], optimizer, ours(enabled=False), **OFF)
        reference.zero_grad()
        loss = loss_fn(plain(x), y)
        loss.backward()
        reference.step()
        assert step == amp.Step(loss.item(), 1.0, False)
        assert torch.equal(weights(model), weights(plain))
    assert not torch.equal(weights(model), weights(net()))


def test_micro_batches_accumulate_to_the_whole_batch():
    """fp64, scale a power of two: only the order of a sum of 12 terms of order 1 differs, and 1e-13 ≫ 12 · 2^-53."""
    parts = batches(3, 4, torch.float64)
    whole = [tuple(torch.cat(column) for column in zip(*parts, strict=True))]
    (a, step_a), (b, step_b) = (
        (model, amp.train_step(model, loss_fn, data, sgd(model), ours(), **OFF))
        for model, data in ((net(torch.float64), parts), (net(torch.float64), whole))
    )
    torch.testing.assert_close(weights(a), weights(b), rtol=0, atol=1e-13)
    assert abs(step_a.loss - step_b.loss) < 1e-13 and step_a.scale == 2.0**16
    assert (weights(a) - weights(net(torch.float64))).abs().max() > 1e-3


def test_clipping_acts_on_unscaled_gradients():
    def change(max_norm):
        model = net()
        step = amp.train_step(model, loss_fn, batches(1, 8), sgd(model), ours(), max_norm=max_norm, **OFF)
        assert not step.skipped
        return (weights(model) - weights(net())) / -0.1  # SGD's gradient

    free = change(None)
    norm = free.norm().item()
    assert 0.01 < norm < 100, "far below S times itself, so a limit above it would clip scaled gradients"
    assert torch.equal(change(100.0), free)
    # clip_grad_norm_ divides by norm + 1e-6; weights under 1 are rounded to 2^-25, so g = change / 0.1 is known to
    # 10 · 2^-25, on both sides
    torch.testing.assert_close(change(norm / 2), free / 2, rtol=2e-6 / norm, atol=20 * 2.0**-25)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_skipped_step_changes_the_scale_alone(dtype):
    """fp16 gradients overflow at S = 2^40; bf16 has the range of fp32 and skips only beyond 2^128: 2^126 / 2 · 16."""
    model, scaler = net(), ours(2.0**40 if dtype == torch.float16 else 2.0**126, backoff_factor=2.0**-30)
    data, optimizer = batches(2, 8), sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    before = weights(model)

    def large_loss(outputs, y):
        return 16 * loss_fn(outputs, y)

    step = amp.train_step(model, large_loss, data, optimizer, scaler, dtype=dtype, scheduler=scheduler)
    assert step.skipped and math.isfinite(step.loss)
    assert torch.equal(weights(model), before)
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (0, 0.1)
    assert scaler.get_scale() == step.scale * 2.0**-30
    step = amp.train_step(model, large_loss, data, optimizer, scaler, dtype=dtype, scheduler=scheduler)
    assert not step.skipped
    assert not torch.equal(weights(model), before)
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0.05)


class Island(nn.Module):
    """A half-precision body under an fp32 head: at S = 2^20 only the head's gradients are too large for fp16."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(6, 9), nn.Linear(9, 4)
        self.head.weight.data.mul_(1e-3)

    def forward(self, x):
        h = self.body(x)
        assert h.dtype == torch.float16, "the body runs in half precision"
        with torch.autocast("cpu", enabled=False):
            return self.head(h.float())


def test_backward_runs_outside_autocast():
    [(x, y)] = batches(1, 8)
    model = Island()
    with torch.autocast("cpu", dtype=torch.float16):
        (loss_fn(model(x), y) * 2.0**20).backward()
    assert not amp.all_finite(p.grad for p in model.parameters()), "backward inside autocast overflows in the island"
    before = weights(model)
    step = amp.train_step(model, loss_fn, [(x, y)], sgd(model), ours(2.0**20))
    assert not step.skipped and not torch.equal(weights(model), before)


# ---------------------------------------------------------------------------------------------------------------------
# Master weights


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_tiny_updates_move_masters_and_not_half_weights(dtype):
    n, update = 1000, 1e-5
    assert update < torch.finfo(dtype).eps / 4, "below half the spacing under 1, where weights of 1 go"
    half = nn.Parameter(torch.ones(4, dtype=dtype))
    plain = torch.optim.SGD([half], lr=update)
    for _ in range(n):
        half.grad = torch.ones_like(half)
        plain.step()
    assert torch.equal(half, torch.ones_like(half)), "added to the half weights every update is lost"

    masters = amp.MasterWeights([half])
    optimizer = torch.optim.SGD(masters.fp32, lr=update)
    for _ in range(n):
        half.grad = torch.full_like(half, 256.0)
        assert masters.step(optimizer, scale=256.0)
    [w] = masters.fp32
    # n subtractions near 1, each rounded to at most half the spacing 2^-24 there
    torch.testing.assert_close(w.detach(), torch.full((4,), 1 - n * update), rtol=0, atol=n * 2.0**-25)
    assert torch.equal(half, w.to(dtype)) and not torch.equal(half, torch.ones_like(half))


@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_masters_skip_on_inf_and_forget_the_gradients(bad):
    params = [nn.Parameter(torch.ones(n, dtype=torch.float16)) for n in (2, 3)]
    masters = amp.MasterWeights(params)
    optimizer = torch.optim.SGD(masters.fp32, lr=0.5)
    params[0].grad, params[1].grad = torch.ones(2).half(), torch.tensor([1.0, bad, 1.0]).half()
    assert not masters.step(optimizer)
    assert all(torch.equal(p, torch.ones_like(p)) for p in params + masters.fp32)
    assert all(p.grad is None for p in params)
    params[1].grad = torch.ones(3).half()  # the first has none: untouched
    assert masters.step(optimizer)
    assert (params[0].tolist(), params[1].tolist()) == ([1.0] * 2, [0.5] * 3)


def test_masters_share_no_memory_with_the_model():
    """Also where a layer of a half model stays in fp32, as batch norm often does."""
    params = [nn.Parameter(torch.ones(2, dtype=d)) for d in (torch.float16, torch.float32)]
    masters = amp.MasterWeights(iter(params))
    with torch.no_grad():
        for w in masters.fp32:
            w.zero_()
    assert all(p.tolist() == [1.0, 1.0] for p in params)


def test_a_copy_of_model_and_masters_trains_on_its_own():
    model = net(torch.float16)
    masters = amp.MasterWeights(model.parameters())
    pair = (model, masters, torch.optim.SGD(masters.fp32, lr=0.5))
    twin, twin_masters, twin_optimizer = copy.deepcopy(pair)
    for p in twin.parameters():
        p.grad = torch.ones_like(p)
    assert twin_masters.step(twin_optimizer)
    assert torch.equal(weights(model), weights(net(torch.float16)))
    torch.testing.assert_close(weights(twin), (weights(model).float() - 0.5).half(), rtol=0, atol=0)
