"""`quintet.moco` is right: against lightly and the rule of facebookresearch/moco side by side, by properties, and by
hand-computed cases; on two processes it is what one does with all rows.

Side by side runs in float64, where 1e-9 leaves room for other orders of summation and for nothing else, and in float32,
where 1e-6 is the promise.
"""

import copy
import math
import pickle
from collections import deque

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torchvision.transforms import v2

from quintet import moco
from quintet.launch import launch

torch.set_num_threads(1)

gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=gpu)]
CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-9}, torch.float32: {"rtol": 1e-6, "atol": 1e-6}}
DTYPES = pytest.mark.parametrize("dtype", CLOSE, ids=str)
quick = settings(max_examples=60, deadline=None)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return F.normalize(normal(*shape, seed=seed, dtype=dtype), dim=1)


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def small(seed: int = 0, splits: int = 1, **options) -> moco.MoCoV2:
    """Rows of 6 numbers, features of 7, embeddings of 5, with batch norm."""
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Tanh())
    return moco.MoCoV2(
        moco.split_batchnorm(backbone, splits), moco.mlp(7, 8, 5), dim=5, **{"K": 12, "m": 0.9} | options
    )


def small_v3(seed: int = 0, splits: int = 1) -> moco.MoCoV3:
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Tanh())
    parts = backbone, moco.mlp(7, 8, 5, layers=3, norm="all"), moco.mlp(5, 9, 5, norm="all")
    return moco.MoCoV3(*(moco.split_batchnorm(part, splits) for part in parts))


def views(step: int, rows: int = 8, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    x = normal(rows, 6, seed=step, dtype=dtype)
    return x + 0.1 * normal(rows, 6, seed=1000 + step, dtype=dtype), x + 0.1 * normal(
        rows, 6, seed=2000 + step, dtype=dtype
    )


def train(model: moco.MoCoV2, steps: int, start: int = 0, dtype: torch.dtype = torch.float32) -> list[float]:
    optimizer, losses = torch.optim.SGD(trained(model), 0.1), []
    for t in range(start, start + steps):
        q, k = model(*views(t, dtype=dtype))
        loss = model.loss(q, k)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update(k)
        losses.append(loss.item())
    return losses


def same_bits(a: nn.Module, b: nn.Module) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------------------------------------------------------------
# The loss


def test_logits_and_labels_by_hand():
    q, k = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    queue = torch.tensor([[-1.0, 0.0], [0.0, -1.0], [0.6, -0.8]])
    logits, labels = moco.queue_logits(q, k, queue, T=0.5)
    torch.testing.assert_close(logits, 2 * torch.tensor([[0.8, -1.0, 0.0, 0.6], [0.8, -0.6, -0.8, -0.28]]))
    assert labels.tolist() == [0, 0] and labels.dtype == torch.int64
    logits, labels = moco.batch_logits(q, torch.cat([queue[:1], k]), T=0.5, first=1)
    torch.testing.assert_close(logits, 2 * torch.tensor([[-1.0, 0.8, 0.0], [-0.6, 0.96, 0.8]]))
    assert labels.tolist() == [1, 2] and labels.dtype == torch.int64


@DTYPES
def test_the_loss_and_the_queue_are_lightlys_with_its_memory_bank(dtype):
    from lightly.loss import NTXentLoss

    queue, peer = moco.Queue(24, 5).to(dtype), NTXentLoss(0.2, (24, 5)).to(dtype)
    peer.memory_bank.bank.copy_(queue.keys)
    for step in range(7):  # three batches fill it: the third and the sixth wrap
        a, b = normal(8, 5, seed=step, dtype=dtype), normal(8, 5, seed=100 + step, dtype=dtype)
        ours, theirs = a.clone().requires_grad_(), a.clone().requires_grad_()
        k = F.normalize(b, dim=1)
        loss, expected = moco.info_nce(F.normalize(ours, dim=1), k, queue.keys, 0.2), peer(theirs, b)
        loss.backward(), expected.backward()
        queue.enqueue(k)
        torch.testing.assert_close(loss, expected, **CLOSE[dtype])
        torch.testing.assert_close(ours.grad, theirs.grad, **CLOSE[dtype])
        assert torch.equal(queue.keys, peer.memory_bank.bank)
        assert queue.pointer == peer.memory_bank.bank_ptr


def test_nothing_told_apart_costs_log_1_plus_K_so_a_constant_is_no_minimum():
    q = unit(1, 5).expand(4, 5)
    assert moco.info_nce(q, q, unit(1, 5).expand(9, 5), 0.2).item() == pytest.approx(math.log(10), rel=1e-6)
    assert moco.info_nce(unit(4, 5), unit(4, 5), -unit(1, 5).expand(9, 5), 0.2) < math.log(10)
    assert moco.info_nce(q, q, torch.empty(0, 5), 0.2).item() == 0, "without a negative there is nothing to learn"


@pytest.mark.parametrize("T", [1e-3, 1.0, 1e3])
def test_loss_and_gradient_are_finite_at_any_temperature(T):
    q = unit(4, 5).requires_grad_()
    for loss in (moco.info_nce(q, -q.detach(), q.detach(), T), moco.contrast(q, -q.detach(), T)):
        (grad,) = torch.autograd.grad(loss, q)
        assert loss.isfinite() and grad.isfinite().all()


@DTYPES
def test_one_half_of_v3s_loss_is_its_pseudocode(dtype):
    q, k = unit(6, 5, dtype=dtype), unit(6, 5, seed=1, dtype=dtype)
    expected = [
        -math.log(math.exp(q[i] @ k[i] / 0.3) / sum(math.exp(q[i] @ k[j] / 0.3) for j in range(6))) for i in range(6)
    ]
    torch.testing.assert_close(moco.contrast(q, k, 0.3).item(), 2 * 0.3 * sum(expected) / 6, **CLOSE[dtype])


@DTYPES
def test_negative_cosine_is_lightlys(dtype):
    from lightly.loss import NegativeCosineSimilarity

    p, z = normal(6, 5, dtype=dtype), 3 * normal(6, 5, seed=1, dtype=dtype)
    torch.testing.assert_close(moco.negative_cosine(p, z), NegativeCosineSimilarity()(p, z), **CLOSE[dtype])


# ---------------------------------------------------------------------------------------------------------------------
# Queue


@quick
@given(size=st.integers(1, 9), batches=st.lists(st.integers(0, 20), max_size=8))
def test_the_queue_holds_the_last_keys_whatever_the_batches(size, batches):
    queue = moco.Queue(size, 3)
    last, count = deque(queue.keys.clone(), maxlen=size), 0
    for seed, n in enumerate(batches):
        k = unit(n, 3, seed=seed) if n else torch.empty(0, 3)
        queue.enqueue(k)
        last.extend(k)
        count += n
        assert queue.pointer == count % size
        oldest_first = queue.keys.roll(-int(queue.pointer), dims=0)
        assert torch.equal(oldest_first, torch.stack(list(last)))
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(size))


def test_the_queue_is_state_moves_and_takes_no_gradient():
    queue = moco.Queue(7, 3)
    assert {n: (b.shape, b.dtype) for n, b in queue.named_buffers()} == {
        "keys": ((7, 3), torch.float32), "pointer": ((), torch.int64),
    }  # fmt: skip
    assert not list(queue.parameters())
    k = unit(5, 3).requires_grad_()
    queue.enqueue(k)
    assert not queue.keys.requires_grad and set(queue.state_dict()) == {"keys", "pointer"}
    assert queue.double().keys.dtype == torch.float64 and queue.pointer.dtype == torch.int64
    queue.enqueue(k)  # of another dtype


def test_a_queue_of_size_0_takes_keys_and_keeps_none():
    queue = moco.Queue(0, 3)
    queue.enqueue(unit(4, 3))
    assert queue.keys.shape == (0, 3) and queue.pointer == 0


def test_enqueueing_before_backward_is_refused_by_autograd():
    queue, q = moco.Queue(8, 3), unit(4, 3).requires_grad_()
    loss = moco.info_nce(q, q.detach(), queue.keys, 0.2)
    queue.enqueue(q)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# ---------------------------------------------------------------------------------------------------------------------
# Momentum


@DTYPES
def test_the_momentum_update_is_the_papers_lightlys_and_torchs(dtype):
    from lightly.models.utils import update_momentum
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    query, key, lightlys, torchs = (small(seed).query.to(dtype) for seed in (0, 1, 1, 1))
    expected = [0.9 * k + (1 - 0.9) * q for k, q in zip(key.parameters(), query.parameters(), strict=True)]
    moco.momentum_update(key, query, 0.9)
    update_momentum(query, lightlys, 0.9)
    get_ema_multi_avg_fn(0.9)(list(torchs.parameters()), list(query.parameters()), 1)
    for peer in (expected, lightlys.parameters(), torchs.parameters()):
        for k, e in zip(key.parameters(), peer, strict=True):
            torch.testing.assert_close(k, e, **CLOSE[dtype])


def test_m_0_copies_m_1_keeps_and_equal_weights_stay_to_the_bit():
    query, key = small(0).query, small(1).query
    before = copy.deepcopy(key)
    moco.momentum_update(key, query, 1.0)
    assert same_bits(key, before)
    moco.momentum_update(key, query, 0.0)
    assert same_bits(key, query)
    for m in (0.1, 0.5, 0.99):
        moco.momentum_update(key, query, m)
        assert same_bits(key, query), "as frozen weights are, in both"


def test_buffers_are_not_averaged():
    model = small()
    train(model, 3)
    before = {name: b.clone() for name, b in model.key.named_buffers()}
    assert not torch.equal(before["backbone.1.running_mean"], model.query.backbone[1].running_mean)
    moco.momentum_update(model.key, model.query, 0.5)
    assert before and all(torch.equal(b, before[name]) for name, b in model.key.named_buffers())


def test_cosine_momentum_is_byols_and_lightlys():
    from lightly.utils.scheduler import cosine_schedule

    steps = 40
    ours = [moco.cosine_momentum(t, steps, 0.99) for t in range(steps + 1)]
    assert ours[0] == 0.99 and ours[-1] == 1 and ours == sorted(ours) and ours[20] == pytest.approx(0.995)
    assert ours == pytest.approx([cosine_schedule(t, steps + 1, 0.99, 1.0) for t in range(steps + 1)], abs=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# MoCo v2, whole


class Rule:
    """[H20 Algorithm 1] in the order in which facebookresearch/moco runs it: the momentum update first, keys enqueued
    at once, the queue held as (C, K)."""

    def __init__(self, model: moco.MoCoV2):
        self.f_q, self.f_k = copy.deepcopy(model.query), copy.deepcopy(model.query)
        self.queue, self.ptr = model.queue.keys.T.clone(), 0
        self.m, self.T = model.m, model.T

    def forward(self, x_q: Tensor, x_k: Tensor) -> tuple[Tensor, Tensor]:
        q = F.normalize(self.f_q(x_q), dim=1)
        with torch.no_grad():
            for k, p in zip(self.f_k.parameters(), self.f_q.parameters(), strict=True):
                k.copy_(k * self.m + p * (1.0 - self.m))
            k = F.normalize(self.f_k(x_k), dim=1)
        l_pos = torch.einsum("nc,nc->n", q, k).unsqueeze(-1)
        l_neg = torch.einsum("nc,ck->nk", q, self.queue.clone())
        self.queue[:, self.ptr : self.ptr + len(k)] = k.T
        self.ptr = (self.ptr + len(k)) % self.queue.shape[1]
        return torch.cat([l_pos, l_neg], dim=1) / self.T, torch.zeros(len(q), dtype=torch.long)


@DTYPES
def test_logits_labels_queue_and_weights_are_those_of_the_rule_step_by_step(dtype):
    model = small(shuffle=False, K=24).to(dtype)
    rule = Rule(model)
    ours, theirs = torch.optim.SGD(trained(model), 0.1), torch.optim.SGD(rule.f_q.parameters(), 0.1)
    start = copy.deepcopy(model)
    for t in range(5):
        x_q, x_k = views(t, dtype=dtype)
        q, k = model(x_q, x_k)
        (logits, labels), (expected, expected_labels) = model.logits(q, k), rule.forward(x_q, x_k)
        for p, e in zip(model.key.parameters(), rule.f_k.parameters(), strict=True):
            torch.testing.assert_close(p, e, **CLOSE[dtype])
        torch.testing.assert_close(logits, expected, **CLOSE[dtype])
        assert torch.equal(labels, expected_labels)
        for optimizer, loss in ((ours, model.loss(q, k)), (theirs, F.cross_entropy(expected, expected_labels))):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.update(k)
        torch.testing.assert_close(model.queue.keys, rule.queue.T, **CLOSE[dtype])
        assert model.queue.pointer == rule.ptr
        for p, e in zip(model.query.parameters(), rule.f_q.parameters(), strict=True):
            torch.testing.assert_close(p, e, **CLOSE[dtype])
    for moved in ("query", "key", "queue"):
        assert not same_bits(getattr(model, moved), getattr(start, moved)), f"the {moved} did not move"


@DTYPES
def test_training_is_that_of_lightlys_parts(dtype):
    from lightly.loss import NTXentLoss
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    model = small(shuffle=False, K=24).to(dtype)
    query, key, peer = copy.deepcopy(model.query), copy.deepcopy(model.query), NTXentLoss(0.2, (24, 5)).to(dtype)
    deactivate_requires_grad(key)
    peer.memory_bank.bank.copy_(model.queue.keys)
    optimizer, expected = torch.optim.SGD(query.parameters(), 0.1), []
    for t in range(5):
        update_momentum(query, key, 0.9)
        x_q, x_k = views(t, dtype=dtype)
        loss = peer(query(x_q), key(x_k))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    torch.testing.assert_close(train(model, 5, dtype=dtype), expected, **CLOSE[dtype])
    torch.testing.assert_close(model.queue.keys, peer.memory_bank.bank, **CLOSE[dtype])
    for p, e in zip(model.query.parameters(), query.parameters(), strict=True):
        torch.testing.assert_close(p, e, **CLOSE[dtype])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_gradients_reach_the_query_encoder_and_nothing_else(device, shuffle):
    model = small(shuffle=shuffle).to(device)
    x_q, x_k = (x.to(device) for x in views(0))
    q, k = model(x_q, x_k.requires_grad_())
    assert q.requires_grad and not k.requires_grad
    torch.testing.assert_close([q.norm(dim=1), k.norm(dim=1)], [torch.ones(8, device=device)] * 2)
    model.loss(q, k).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.query.parameters())
    assert all(p.grad is None and not p.requires_grad for p in model.key.parameters())
    assert {id(p) for p in trained(model)} == {id(p) for p in model.query.parameters()}
    model.update(k)
    torch.testing.assert_close(model.queue.keys[:8], k)


def test_the_key_encoder_is_a_copy_and_the_keys_are_not_yet_among_the_negatives():
    model = small()
    assert same_bits(model.key, model.query)
    assert not {p.data_ptr() for p in model.key.parameters()} & {p.data_ptr() for p in model.query.parameters()}
    q, k = model(*views(0))
    logits, _ = model.logits(q, k)
    assert logits.shape == (8, 13)
    torch.testing.assert_close(logits[:, 1:], q @ model.queue.keys.T / 0.2)
    assert not (model.queue.keys[:, None] == k).all(dim=2).any()


def test_a_checkpoint_goes_on_where_it_was_and_copies_are_independent():
    model = small()
    train(model, 2)
    assert int(model.queue.pointer) == 4, "in the middle of the queue"
    state = copy.deepcopy(model.state_dict())
    pickled, other = pickle.loads(pickle.dumps(model)), small(seed=5)
    other.load_state_dict(state)
    twin = copy.deepcopy(model)
    torch.manual_seed(9)
    losses = train(model, 4, start=2)
    for again in (pickled, other, twin):
        assert not same_bits(again, model)
        torch.manual_seed(9)  # for the order of the keys
        assert train(again, 4, start=2) == losses and same_bits(again, model)


def test_under_autocast_the_queue_stays_float32_and_the_loss_is_near():
    model, (x_q, x_k) = small(), views(0)
    exact = model.loss(*model(x_q, x_k))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        q, k = model(x_q, x_k)
        loss = model.loss(q, k)
    loss.backward()
    model.update(k)
    assert model.queue.keys.dtype == torch.float32 and loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0, atol=0.1)  # cosines to a few 2^-8, divided by T = 0.2


def test_the_same_seed_trains_to_the_same_bits_and_another_does_not():
    runs = {}
    for seed in (0, 0, 1):
        model = small(seed)
        runs.setdefault(seed, []).append((train(model, 4), model))
    (a, first), (b, second) = runs[0]
    assert a == b and same_bits(first, second) and a != runs[1][0][0]


def test_ablations_are_arguments():
    frozen, copied, none = small(m=1.0), small(m=0.0), small(K=0)
    start = copy.deepcopy(frozen.key)
    for model in (frozen, copied, none):
        train(model, 3)
    for p, before in zip(frozen.key.parameters(), start.parameters(), strict=True):
        assert torch.equal(p, before)
    for p, query in zip(copied.key.parameters(), copied.query.parameters(), strict=True):
        assert torch.equal(p, query)
    q, k = none(*views(0))
    logits, labels = none.logits(q, k)
    torch.testing.assert_close(logits, q @ k.T / 0.2)
    assert labels.tolist() == list(range(8))


# ---------------------------------------------------------------------------------------------------------------------
# Shuffled batch norm


def test_shuffling_changes_nothing_where_rows_do_not_mix():
    encoder = nn.Linear(6, 5).double()
    x = normal(9, 6, dtype=torch.float64)
    assert not torch.equal(torch.randperm(9, generator=torch.Generator().manual_seed(0)), torch.arange(9))
    torch.manual_seed(0)
    torch.testing.assert_close(moco.shuffled(encoder, x), encoder(x).detach(), rtol=0, atol=1e-14)


def test_shuffling_changes_the_company_in_groups_but_not_in_a_whole_batch():
    x = normal(8, 3, dtype=torch.float64)
    whole, groups = nn.BatchNorm1d(3).double(), moco.SplitBatchNorm(3, splits=2).double()
    torch.manual_seed(0)
    torch.testing.assert_close(moco.shuffled(whole, x), whole(x).detach())
    torch.manual_seed(0)
    order = torch.randperm(8)
    torch.manual_seed(0)
    k = moco.shuffled(groups, x)
    assert (k - groups(x)).abs().max() > 0.1
    for rows in order.chunk(2):
        torch.testing.assert_close(k[rows], nn.BatchNorm1d(3).double()(x[rows]).detach())


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 4, 5)], ids=str)
def test_split_batch_norm_is_batch_norm_of_each_group(shape):
    x = normal(*shape).requires_grad_()
    groups = [nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3) for _ in range(2)]
    split = moco.split_batchnorm(groups[0], 2)
    with torch.no_grad():
        for bn in (*groups, split):
            bn.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
    expected = torch.cat([bn(part) for bn, part in zip(groups, x.chunk(2), strict=True)])
    torch.testing.assert_close(split(x), expected)
    upstream = normal(*shape, seed=1)
    got, want = (torch.autograd.grad((y * upstream).sum(), x)[0] for y in (split(x), expected))
    torch.testing.assert_close(got, want)
    split = moco.split_batchnorm(nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3), 2)
    split(x)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(split, name), sum(getattr(bn, name) for bn in groups) / 2)
    assert split.num_batches_tracked == 1
    torch.testing.assert_close(split.eval()(x)[:1], split(x[:1]), msg="evaluation looks at no other row")


def test_splitting_keeps_weights_modes_and_the_original():
    net = moco.convnet(4)
    net[1].eval(), net[1].weight.requires_grad_(False), net(normal(4, 1, 8, 8))
    split = moco.split_batchnorm(net, 2)
    assert [type(m) for m in split].count(moco.SplitBatchNorm) == 3 and type(net[1]) is nn.BatchNorm2d
    assert same_bits(net, split)
    assert not split[1].training and split[4].training and not split[1].weight.requires_grad
    split(normal(4, 1, 8, 8))
    assert not same_bits(net, split), "they share no buffer"
    plain = moco.split_batchnorm(nn.BatchNorm1d(3, affine=False, track_running_stats=False), 2)
    assert plain(normal(4, 3)).shape == (4, 3) and not plain.state_dict()


# ---------------------------------------------------------------------------------------------------------------------
# MoCo v3


def test_v3_is_its_pseudocode_and_symmetric():
    model = small_v3().double()
    moco.momentum_update(model.key, small_v3(seed=1).double().query, 0.5)  # key and query differ
    x1, x2 = views(0, dtype=torch.float64)
    loss = model(x1, x2)
    q1, q2 = (F.normalize(model.predictor(model.query(x)), dim=1) for x in (x1, x2))
    k1, k2 = (F.normalize(model.key(x), dim=1).detach() for x in (x1, x2))
    expected = sum(2 * 0.2 * F.cross_entropy(q @ k.T / 0.2, torch.arange(8)) for q, k in ((q1, k2), (q2, k1)))
    torch.testing.assert_close(loss, expected, **CLOSE[torch.float64])
    torch.testing.assert_close(model(x2, x1), loss, **CLOSE[torch.float64])


def test_the_predictor_is_the_querys_alone_and_keys_take_no_gradient():
    model = small_v3()
    model(*views(0)).backward()
    assert all(p.grad is not None for p in (*model.query.parameters(), *model.predictor.parameters()))
    assert all(p.grad is None and not p.requires_grad for p in model.key.parameters())
    assert [n for n, _ in model.key.named_parameters()] == [n for n, _ in model.query.named_parameters()]
    predictor, key, query = (copy.deepcopy(m) for m in (model.predictor, model.key, model.query))
    with torch.no_grad():
        for p in model.query.parameters():
            p.add_(1.0)
    model.update(0.75)
    assert same_bits(model.predictor, predictor)
    for p, before, start in zip(model.key.parameters(), key.parameters(), query.parameters(), strict=True):
        torch.testing.assert_close(p, 0.75 * before + 0.25 * (start + 1))


def test_the_vit_has_fixed_positions_and_a_frozen_patch_projection():
    torch.manual_seed(0)
    vit = moco.small_vit(depth=1, dim=24)
    x = normal(6, 1, 28, 28)
    assert vit(x).shape == (6, 24)
    frozen = {name for name, p in vit.named_parameters() if not p.requires_grad}
    assert frozen == {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    assert (
        vit.patch_embed.proj.weight.abs().max() <= math.sqrt(6 / (49 + 24)) and vit.patch_embed.proj.weight.std() > 0.1
    )
    assert not vit.pos_embed[0, 0].any() and len({tuple(row.tolist()) for row in vit.pos_embed[0]}) == 17
    model = moco.MoCoV3(vit, moco.mlp(24, 16, 8, 3, "all"), moco.mlp(8, 16, 8, 2, "all"))
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(trained(model), 1e-2)
    for t in range(2):
        loss = model(x, x.flip(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update(moco.cosine_momentum(t, 3, 0.9))
    kept = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert kept == {f"{side}.backbone.{name}" for side in ("query", "key") for name in frozen}
    assert all(p.requires_grad for p in moco.small_vit(freeze_patches=False, depth=1).patch_embed.parameters())


# ---------------------------------------------------------------------------------------------------------------------
# Without negatives


def siamese(**switches) -> moco.Siamese:
    torch.manual_seed(0)
    predictor = moco.mlp(8, 4, 8, norm="hidden") if switches.pop("predictor", True) else None
    backbone = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU())
    return moco.Siamese(backbone, moco.mlp(16, 16, 8, norm="hidden"), predictor, **switches)


def test_the_siamese_loss_and_its_switches():
    x1, x2 = views(0)
    for switches in ({}, {"predictor": False}, {"stop_gradient": False}, {"m": 0.9}):
        model = siamese(**switches)
        loss = model(x1, x2)
        p1, p2 = (model.predictor(model.query(x)) for x in (x1, x2))
        z1, z2 = ((model.key or model.query)(x) for x in (x1, x2))
        if switches.get("stop_gradient", True):
            z1, z2 = z1.detach(), z2.detach()
        expected = -(F.cosine_similarity(p1, z2).mean() + F.cosine_similarity(p2, z1).mean()) / 2
        torch.testing.assert_close(loss, expected)
        got, want = (torch.autograd.grad(y, trained(model)) for y in (loss, expected))
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)  # sums through batch norm, in another order
    model = siamese(m=0.5)
    with torch.no_grad():
        model.query.head[0].weight.add_(1.0)
    start = model.key.head[0].weight.clone()
    model.update()
    torch.testing.assert_close(model.key.head[0].weight, start + 0.5)
    assert siamese().key is None and siamese().update() is None


def test_it_collapses_without_stop_gradient_and_not_with_it():
    """Every run draws the same data; 1/√8 is the spread of directions that cover the sphere."""
    spreads = {}
    for name, switches in {"SimSiam": {}, "BYOL": {"m": 0.9}, "collapse": {"stop_gradient": False}}.items():
        model = siamese(**switches)
        optimizer = torch.optim.SGD(trained(model), 0.1, momentum=0.9)
        for t in range(150):
            loss = model(*views(t, rows=32))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.update()
        z = model.query(views(999, rows=256)[0])
        spreads[name] = moco.spread(z) * math.sqrt(8), moco.effective_rank(z)
    assert spreads["SimSiam"][0] > 0.8 and spreads["BYOL"][0] > 0.8, spreads
    assert spreads["collapse"][0] < 0.25 and spreads["collapse"][1] < 3 < spreads["SimSiam"][1], spreads


# ---------------------------------------------------------------------------------------------------------------------
# Gauges


def test_gauges_of_a_point_and_of_a_sphere():
    point, sphere = torch.tensor([[3.0, 4.0]]).expand(50, 2), normal(4000, 8)
    assert moco.spread(point) == pytest.approx(0, abs=1e-6) and moco.effective_rank(point) == pytest.approx(1)
    assert moco.uniformity(point) == pytest.approx(0, abs=1e-5)
    assert moco.spread(sphere) == pytest.approx(1 / math.sqrt(8), rel=0.01)
    assert moco.effective_rank(sphere) == pytest.approx(8, rel=0.01)
    assert moco.uniformity(sphere[:1000]) < -2.5
    assert moco.spread(5 * sphere) == pytest.approx(moco.spread(sphere), rel=1e-5), "directions count, not lengths"


def test_gauges_by_hand():
    z = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -3.0]])
    assert moco.spread(z) == pytest.approx(math.sqrt(0.5))
    assert moco.effective_rank(z) == pytest.approx(2)
    assert moco.effective_rank(torch.zeros(3, 2)) == 0 and moco.effective_rank(torch.ones(1, 2)) == pytest.approx(1)
    # singular values √2 and 1, as shares: a weight of √2 / (1 + √2) on the first
    s = math.sqrt(2) / (1 + math.sqrt(2))
    entropy = -s * math.log(s) - (1 - s) * math.log(1 - s)
    assert moco.effective_rank(z[:3]) == pytest.approx(math.exp(entropy))
    # pairs: four at a right angle, d² = 2, two opposite, d² = 4
    assert moco.uniformity(z) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6), rel=1e-5)
    assert moco.alignment(z, 2 * z) == 0 and moco.alignment(z, z.roll(1, 0)) == pytest.approx(2)


# ---------------------------------------------------------------------------------------------------------------------
# Probes


def clusters(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Five overlapping ones in eight dimensions."""
    labels = torch.arange(n) % 5
    return normal(5, 8, seed=77)[labels] + normal(n, 8, seed=seed), labels


@DTYPES
def test_the_vote_is_lightlys(dtype):
    from lightly.utils.benchmarking.knn import knn_predict

    bank, labels = clusters(300)
    z, truth = clusters(700, seed=1)
    bank, z = bank.to(dtype), z.to(dtype)
    for k, T in ((1, 0.07), (20, 0.1), (300, 0.07)):
        theirs = knn_predict(F.normalize(z, dim=1), F.normalize(bank, dim=1).T, labels, 5, knn_k=k, knn_t=T)[:, 0]
        ours = moco.knn_predict(bank, labels, z, k=k, T=T)
        assert torch.equal(ours, theirs)
        assert moco.knn_probe(bank, labels, z, truth, k=k, T=T) == (theirs == truth).double().mean().item()
        assert 0.5 < (theirs == truth).double().mean() < 0.99
    assert torch.equal(moco.knn_predict(bank, labels, z, k=20, T=1e-4), moco.knn_predict(bank, labels, z, k=1))


def test_features_do_not_depend_on_the_batch_and_leave_every_mode_as_it_was():
    net = moco.convnet(4)
    net[4].eval()
    before, x = copy.deepcopy(net), normal(7, 1, 28, 28)
    together, apart = moco.features(net, x), moco.features(net, x, batch=2)
    torch.testing.assert_close(together, apart)
    assert together.shape == (7, 256) and not together.requires_grad
    assert same_bits(net, before) and [m.training for m in net.modules()] == [m.training for m in before.modules()]
    assert net.training and not net[4].training
    with pytest.raises(RuntimeError):
        moco.features(net, x[:, 0, 0])
    assert net.training and not net[4].training, "after an error too"


def test_the_linear_probe_finds_a_line_whatever_the_scale_and_cannot_find_a_ring():
    x, labels = clusters(400)
    test, truth = clusters(400, seed=1)
    right = moco.linear_probe(x, labels, test, truth)
    assert right > 0.75 and moco.linear_probe(1e3 * x + 5, labels, 1e3 * test + 5, truth) == pytest.approx(
        right, abs=0.01
    )
    assert moco.linear_probe(x, labels, test, truth, C=(0.1,)) == pytest.approx(right, abs=0.05)
    ring = normal(400, 2)
    inside = (ring.norm(dim=1) < 1.2).long()
    assert moco.linear_probe(ring, inside, ring, inside) < 0.65
    assert (
        moco.knn_probe(torch.cat([ring, ring.square()], 1), inside, torch.cat([ring, ring.square()], 1), inside, k=1)
        == 1
    )


# ---------------------------------------------------------------------------------------------------------------------
# Views


def pictures(n: int = 12) -> Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_a_crop_is_torchvisions_of_the_same_box():
    x, crop = pictures(40), moco.CropEach(scale=(0.05, 1.0), ratio=(0.5, 2.0))
    torch.manual_seed(0)
    box = crop.make_params([x])
    got = crop.transform(x, box)
    assert len(set(zip(*(box[name].tolist() for name in box), strict=True))) > 35, "each picture has its own"
    for i in range(len(x)):
        left, top, w, h = (int(box[name][i]) for name in ("left", "top", "w", "h"))
        assert 0 <= left <= 28 - w and 0 <= top <= 28 - h and w >= 1 and h >= 1
        expected = v2.functional.resized_crop(x[i], top, left, h, w, [28, 28])
        # a place between pixels is off by a few eps of 28, and neighbours differ by at most 1
        torch.testing.assert_close(got[i], expected, rtol=0, atol=28 * 2.0**-21)


def test_jitter_and_flip_are_torchvisions_of_the_same_factors():
    x, jitter, flip = pictures(), moco.JitterEach(), moco.FlipEach()
    torch.manual_seed(0)
    factors, coins = jitter.make_params([x]), flip.make_params([x])["flip"].flatten()
    assert coins.any() and not coins.all()
    for i, (bright, flat) in enumerate(
        zip(jitter.transform(x, factors), flip.transform(x, {"flip": coins.view(-1, 1, 1, 1)}), strict=True)
    ):
        b, c = (factors[name][i].item() for name in ("brightness", "contrast"))
        assert 0.6 <= b <= 1.4 and 0.6 <= c <= 1.4
        expected = v2.functional.adjust_contrast(v2.functional.adjust_brightness(x[i], b), c)
        torch.testing.assert_close(bright, expected, rtol=0, atol=1e-6)
        assert torch.equal(flat, v2.functional.horizontal_flip(x[i]) if coins[i] else x[i])


def test_two_crops_are_two_views_and_a_seed_gives_them_again():
    x, two = (255 * pictures()).to(torch.uint8), moco.TwoCrops()
    torch.manual_seed(0)
    a, b = two(x)
    for view in (a, b):
        assert view.shape == x.shape and view.dtype == torch.float32
        assert -0.82 < view.min() < view.max() < 2.03, "normalised: black is -0.81, white 2.02"
    assert (a - b).abs().mean() > 0.1 and (a[0] - a[1]).abs().mean() > 0.1
    torch.manual_seed(0)
    torch.testing.assert_close(two(x), (a, b), rtol=0, atol=0)
    torch.testing.assert_close(two(x[:1].expand(2, -1, -1, -1))[0].diff(dim=0).abs().max() > 0.1, torch.tensor(True))
    torch.manual_seed(0)
    torch.testing.assert_close(two(x / 255)[0], a)
    same, _ = moco.TwoCrops(nn.Identity())(x)
    assert same is x


# ---------------------------------------------------------------------------------------------------------------------
# Heads


def test_heads_are_the_papers():
    def layers(head):
        return [type(m).__name__ for m in head]

    assert layers(moco.mlp(4, 6, 3)) == ["Linear", "ReLU", "Linear"]
    normed = ["Linear", "BatchNorm1d", "ReLU"]
    assert layers(moco.mlp(4, 6, 3, layers=3, norm="all")) == [*normed, *normed, "Linear", "BatchNorm1d"]
    assert layers(moco.mlp(4, 6, 3, norm="hidden")) == [*normed, "Linear"]
    assert layers(moco.mlp(4, 6, 3, layers=1)) == ["Linear"]
    assert [m.bias is None for m in moco.mlp(4, 6, 3, norm="hidden") if isinstance(m, nn.Linear)] == [True, False]
    assert [p.shape for p in moco.mlp(4, 6, 3).parameters()] == [(6, 4), (6,), (3, 6), (3,)]


def test_heads_have_lightlys_shapes():
    from lightly.models.modules import MoCoProjectionHead

    for ours, theirs in (
        (moco.mlp(4, 6, 3), MoCoProjectionHead(4, 6, 3)),
        (moco.mlp(4, 6, 3, layers=3, norm="all"), MoCoProjectionHead(4, 6, 3, num_layers=3, batch_norm=True)),
    ):
        weights = [p.shape for p in theirs.parameters()]
        assert [p.shape for p in ours.parameters()][: len(weights)] == weights


# ---------------------------------------------------------------------------------------------------------------------
# Several processes

ROWS, STEPS = 8, 5


def v2_step(model: moco.MoCoV2, run: nn.Module, t: int, x_q: Tensor, x_k: Tensor):
    q, k = run(x_q, x_k)
    return model.loss(q, k), lambda: model.update(k)


def v3_step(model: moco.MoCoV3, run: nn.Module, t: int, x1: Tensor, x2: Tensor):
    return run(x1, x2), lambda: model.update(moco.cosine_momentum(t, STEPS, 0.9))


KINDS = {"v2": (small, v2_step), "v3": (small_v3, v3_step)}


def train_share(kind: str, world: int = 1, rank: int = 0) -> dict[str, Tensor]:
    """Losses and state after some steps on this rank's share of all rows. One process stands for two where it splits
    batch norm; several start from their own weights, and DistributedDataParallel hands round those of rank 0."""
    make, step = KINDS[kind]
    model = make(seed=rank, splits=2 if world == 1 else 1).double()
    start = model.query.head[0].weight.detach().clone()
    run = DistributedDataParallel(model) if world > 1 else model
    optimizer, losses = torch.optim.SGD(trained(model), 0.1), []
    torch.manual_seed(rank)
    for t in range(STEPS):
        loss, update = step(model, run, t, *(x.chunk(world)[rank] for x in views(t, ROWS, torch.float64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update()
        losses.append(loss.detach())
    return {"losses": torch.stack(losses), "start": start, **model.state_dict()}


def no_queue_on_rank() -> tuple[Tensor, Tensor]:
    model = small(K=0)
    rows = slice(4 * moco.rank(), 4 * moco.rank() + 4)
    return model.logits(unit(8, 5)[rows], unit(8, 5, seed=1)[rows])


def on_rank() -> dict[str, dict | Tensor]:
    world, rank = dist.get_world_size(), dist.get_rank()
    whole = torch.arange(24).view(8, 3)
    return {
        "v2": train_share("v2", world, rank),
        "v3": train_share("v3", world, rank),
        "no queue": no_queue_on_rank(),
        "gather": moco.gather(whole.chunk(world)[rank]),
        "gathered gradient": moco.gather(torch.ones(2, 3, requires_grad=True)).requires_grad,
    }


@pytest.mark.slow
def test_two_processes_train_as_one_with_all_rows():
    results = launch(on_rank, 2, seconds=300)
    for name in KINDS:
        alone, ranks = train_share(name), [r[name] for r in results]
        assert not torch.equal(ranks[0]["start"], ranks[1]["start"]), "ranks start from their own weights"
        torch.testing.assert_close(sum(r.pop("losses") for r in ranks) / 2, alone.pop("losses"), **CLOSE[torch.float64])
        assert not torch.equal(alone["query.head.0.weight"], alone.pop("start")), "nothing was learned"
        for r in ranks:
            r.pop("start")
            assert r.keys() == alone.keys()
            for entry, expected in alone.items():
                if "running" not in entry and "tracked" not in entry:  # each rank has its own
                    torch.testing.assert_close(r[entry], expected, **CLOSE[torch.float64], msg=f"{name}: {entry}")
    logits, labels = moco.batch_logits(unit(8, 5), unit(8, 5, seed=1), 0.2)
    torch.testing.assert_close(torch.cat([r["no queue"][0] for r in results]), logits)
    assert torch.equal(torch.cat([r["no queue"][1] for r in results]), labels)
    assert all(torch.equal(r["gather"], torch.arange(24).view(8, 3)) for r in results)
    assert not any(r["gathered gradient"] for r in results)


def test_one_process_gathers_its_own_rows():
    x = normal(4, 3).requires_grad_()
    assert torch.equal(moco.gather(x), x) and not moco.gather(x).requires_grad
    assert (moco.world(), moco.rank()) == (1, 0)


# ---------------------------------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: moco.queue_logits(unit(4, 5), unit(3, 5), unit(9, 5), 0.2), r"\(4, 5\) and \(3, 5\)"),
        (lambda: moco.queue_logits(unit(4, 5), unit(4, 5), unit(5, 9), 0.2), r"\(K, 5\), received \(5, 9\)"),
        (lambda: moco.info_nce(unit(4, 5), unit(4, 5), unit(9, 5), 0.0), "above 0, received 0"),
        (lambda: moco.batch_logits(unit(4, 5), unit(6, 5), 0.2, first=3), "first = 3"),
        (lambda: moco.contrast(unit(4, 5), unit(4, 5), -1.0), "above 0, received -1"),
        (lambda: moco.negative_cosine(unit(4, 5), unit(4, 6)), r"\(4, 6\)"),
        (lambda: moco.Queue(-1, 5), "received -1"),
        (lambda: moco.Queue(8, 5).enqueue(unit(5, 8)), r"\(N, 5\), received \(5, 8\)"),
        (lambda: moco.momentum_update(nn.Linear(2, 3), nn.Linear(2, 3), 1.1), "received 1.1"),
        (lambda: moco.momentum_update(nn.Linear(2, 3), nn.Linear(3, 2), 0.9), "same shapes"),
        (lambda: moco.cosine_momentum(5, 4), "received 5, 4"),
        (lambda: moco.SplitBatchNorm(3, 0), "received 0"),
        (lambda: moco.SplitBatchNorm(3, 2)(normal(5, 3)), "received 5 rows"),
        (lambda: moco.mlp(4, 6, 3, norm="some"), "'some'"),
        (lambda: moco.mlp(4, 6, 3, layers=0), "received 0"),
        (lambda: moco.small_vit(28, 5), "received 5 in 28"),
        (lambda: siamese(stop_gradient=False, m=0.9), "takes no gradient"),
        (lambda: moco.knn_predict(unit(4, 5), torch.arange(4), unit(2, 5), k=5), "received 5"),
        (lambda: moco.TwoCrops()(pictures()[:, 0]), r"x\[:, None\]"),
    ],
)  # fmt: skip
def test_errors_say_what_was_expected_and_received(call, says):
    with pytest.raises(ValueError, match=says):
        call()
