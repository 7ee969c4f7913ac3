"""`quintet.attention_unet` is right: against MONAI, by properties, and by hand.

Tolerances: losses are means of order 1 over at most some thousand terms in fp32, so 1e-6 is some roundings. Blended
windows are compared to 1e-5, as up to eight products are added in another order.
"""

import copy
import itertools
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss, FocalLoss
from monai.networks.nets import AttentionUnet

from quintet import attention_unet as au
from quintet import measure
from quintet.data.lidc import Case, Finding


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rare(*shape, seed=0, share=0.1):
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share).float()


# ----------------------------------------------------------------------------------------------- geometry and intensity


def test_hounsfield_by_hand():
    stored = torch.tensor([0, 24, 1024, 3000], dtype=torch.int16)
    assert au.hounsfield(stored, 1, -1024).tolist() == [-1024, -1000, 0, 1976]
    assert au.hounsfield(stored, 2, -2048).tolist() == [-2048, -2000, 0, 3952]
    assert au.window(torch.tensor([-2000, -1000, -300, 400, 3000])).tolist() == [0, 0, 0.5, 1, 1]
    with pytest.raises(ValueError, match="expected low < high"):
        au.window(stored, 400, -1000)


def test_a_window_leaves_its_argument_alone():
    hu = torch.tensor([-2000.0, 3000.0])
    au.window(hu)
    assert hu.tolist() == [-2000, 3000]


@given(st.tuples(*[st.integers(0, 500)] * 3), st.tuples(*[st.floats(0.3, 5)] * 3))
def test_millimetres_and_back(index, spacing):
    assert au.to_index(au.to_mm(index, spacing), spacing) == index


def test_a_position_is_in_the_voxel_around_it():
    assert au.to_mm((2, 3, 4), (2.5, 0.5, 0.7)) == pytest.approx((5, 1.5, 2.8))
    assert au.to_index((1.24, 1.25, 3.76), (2.5, 2.5, 2.5)) == (0, 1, 2)


# ------------------------------------------------------------------------------------------------------------- the gate


def test_the_gate_is_its_equation():
    gate, x, g = au.AttentionGate(6, 10, inner=4, stride=2), seeded(2, 6, 4, 8, 6), seeded(2, 10, 2, 4, 3, seed=1)
    gated, alpha = gate(x, g)
    # θ by hand: each block of 2×2×2 voxels, all channels, against one weight
    blocks = x.unfold(2, 2, 2).unfold(3, 2, 2).unfold(4, 2, 2)
    theta = torch.einsum("ncdhwijk,ocijk->nodhw", blocks, gate.theta.weight)
    phi = torch.einsum("ncdhw,oc->nodhw", g, gate.phi.weight[..., 0, 0, 0]) + gate.phi.bias[:, None, None, None]
    psi = torch.einsum("ncdhw,c->ndhw", (theta + phi).clamp(min=0), gate.psi.weight[0, :, 0, 0, 0]) + gate.psi.bias
    coarse = 1 / (1 + torch.exp(-psi))[:, None]
    torch.testing.assert_close(alpha, F.interpolate(coarse, (4, 8, 6), mode="trilinear"), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gated, x * alpha)


@pytest.mark.parametrize("coarse", [(2, 4, 3), (4, 8, 6), (1, 1, 1), (3, 5, 2), (7, 9, 11)])
@pytest.mark.parametrize("stride", [1, 2, (1, 2, 2), (4, 4, 3)])
def test_the_gate_takes_any_sizes_and_gives_a_map_between_0_and_1(coarse, stride):
    gate = au.AttentionGate(3, 5, stride=stride)
    gated, alpha = gate(seeded(2, 3, 4, 8, 6), seeded(2, 5, *coarse, seed=1))
    assert gated.shape == (2, 3, 4, 8, 6) and alpha.shape == (2, 1, 4, 8, 6)
    assert 0 < alpha.min() and alpha.max() < 1


def test_both_inputs_move_the_map_and_all_weights_learn():
    gate, x, g = au.AttentionGate(3, 5), seeded(1, 3, 4, 4, 4), seeded(1, 5, 2, 2, 2, seed=1)
    base = gate(x, g)[1]
    assert not torch.allclose(base, gate(-x, g)[1]) and not torch.allclose(base, gate(x, -g)[1])
    gate(x, g)[0].square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in gate.parameters())


# ---------------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("channels", [(4, 6), (3, 5, 7), (2, 4, 6, 8)])
@pytest.mark.parametrize("gates", [True, False])
def test_any_depth_and_size(channels, gates):
    net = au.AttentionUnet3d(2, 3, channels, gates=gates)
    for size in [(8, 16, 24), (9, 13, 11), (15, 8, 9)]:
        logits, maps = net(seeded(2, 2, *size), maps=True)
        assert logits.shape == (2, 3, *size)
        assert len(maps) == (len(channels) - 1 if gates else 0)
        if gates:
            assert maps[0].shape == (2, 1, *size)


def test_a_stride_may_leave_slices_alone():
    net = au.AttentionUnet3d(channels=(2, 3, 4), strides=((1, 2, 2), 2))
    coarse = {}
    net.down[1].register_forward_hook(lambda *a: coarse.update(one=a[2].shape[2:]))
    net.down[2].register_forward_hook(lambda *a: coarse.update(two=a[2].shape[2:]))
    assert net(seeded(1, 1, 5, 16, 12)).shape == (1, 1, 5, 16, 12)
    assert coarse == {"one": (5, 8, 6), "two": (3, 4, 3)}


@pytest.mark.parametrize(("channels", "strides"), [((8,), ()), ((8, 16), (2, 2)), ((8, 16, 32), (2,))])
def test_levels_and_strides_must_fit(channels, strides):
    with pytest.raises(ValueError, match="one stride less than levels"):
        au.AttentionUnet3d(channels=channels, strides=strides)


def test_gates_are_all_that_differs():
    torch.manual_seed(0)
    on, off = au.AttentionUnet3d(), au.AttentionUnet3d(gates=False)
    names = {name for name, _ in on.named_parameters()} - {name for name, _ in off.named_parameters()}
    assert names and all(name.startswith("gates.") for name in names)
    off.load_state_dict(on.state_dict(), strict=False)
    with torch.no_grad():
        for gate in on.gates:
            gate.psi.weight.zero_()
            gate.psi.bias.fill_(100.0)  # α is 1 everywhere
    x = seeded(1, 1, 8, 16, 16)
    torch.testing.assert_close(on.eval()(x), off.eval()(x))


def test_untrained_it_gives_nodules_little_probability():
    torch.manual_seed(0)
    p = au.AttentionUnet3d()(seeded(2, 1, 8, 16, 16)).sigmoid().mean().item()
    assert au.PRIOR / 3 < p < 3 * au.PRIOR


def test_copies_are_independent():
    net = au.AttentionUnet3d(channels=(2, 3))
    x = seeded(2, 1, 4, 6, 8)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with torch.no_grad():
            before = net.eval()(x)
            other.eval()
            assert torch.equal(other(x), before)
            for p in other.parameters():
                p += 1
            assert torch.equal(net(x), before)


def test_beside_monai_of_equal_channels_parameters_and_memory_are_no_more():
    ours, peer = au.AttentionUnet3d(channels=(8, 16, 32)), AttentionUnet(3, 1, 1, (8, 16, 32), (2, 2))
    encoder = [p for p in peer.model[0].parameters() if p.ndim == 5]  # its finest block's convolutions are ours
    assert [p.shape for p in encoder] == [p.shape for p in ours.down[0].parameters() if p.ndim == 5]
    assert sum(p.numel() for p in ours.parameters()) < sum(p.numel() for p in peer.parameters())
    x, mask = seeded(2, 1, 16, 24, 24), rare(2, 1, 16, 24, 24)
    assert ours(x).shape == peer(x).shape

    def step(net):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
        net.zero_grad(set_to_none=True)
        return measure.peak_bytes(lambda: au.train_step(net, optimizer, x, mask))

    assert step(ours) <= step(peer)


def test_monais_encoder_block_gives_what_ours_gives():
    ours, peer = au.AttentionUnet3d(channels=(8, 16)), AttentionUnet(3, 1, 1, (8, 16), (2,))
    theirs = [p for p in peer.model[0].parameters() if p.ndim == 5]
    with torch.no_grad():
        for mine, other in zip((p for p in ours.down[0].parameters() if p.ndim == 5), theirs, strict=True):
            mine.copy_(other)
    x = seeded(2, 1, 5, 8, 6)
    torch.testing.assert_close(ours.down[0](x), peer.model[0](x), rtol=1e-4, atol=1e-5)


def test_it_learns_a_bright_ball():
    torch.manual_seed(0)
    grid = torch.stack(torch.meshgrid(*[torch.arange(n).float() for n in (8, 16, 16)], indexing="ij"))
    mask = ((grid - torch.tensor([4.0, 8.0, 8.0])[:, None, None, None]).square().sum(0) < 9).float()[None, None]
    x = 0.1 * seeded(1, 1, 8, 16, 16) + 0.8 * mask
    net = au.AttentionUnet3d(channels=(4, 8))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = [au.train_step(net, optimizer, x, mask).item() for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]


# --------------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("smooth", [1e-5, 1.0, 50.0])
def test_dice_loss_and_gradient_are_monais(pooled, smooth):
    logits = seeded(3, 2, 4, 5, 6).requires_grad_()
    target = rare(3, 2, 4, 5, 6)
    target[0] = 0
    ours = au.dice_loss(logits, target, smooth, pooled)
    theirs = DiceLoss(sigmoid=True, batch=pooled, smooth_nr=smooth, smooth_dr=smooth)(logits, target)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    mine, peers = (torch.autograd.grad(value, logits)[0] for value in (ours, theirs))
    torch.testing.assert_close(mine, peers, rtol=1e-4, atol=1e-9)


def test_dice_loss_by_hand():
    logits = torch.tensor([100.0, 100.0, -100.0, -100.0]).view(1, 1, 1, 2, 2)
    target = torch.tensor([1, 0, 1, 0]).view(1, 1, 1, 2, 2)
    assert au.dice_loss(logits, target).item() == pytest.approx(1 - 3 / 5)  # one of two and two: (2·1 + 1)/(2 + 2 + 1)
    assert au.dice_loss(logits, target.bool(), smooth=3.0).item() == pytest.approx(1 - 5 / 7)
    for wrong in ({"smooth": 0.0}, {"target": target[..., :1]}):
        with pytest.raises(ValueError, match="one shape and smooth above 0"):
            au.dice_loss(logits, **{"target": target, **wrong})


def test_an_empty_mask_has_a_loss_and_a_gradient_that_silences():
    empty = torch.zeros(1, 1, 4, 8, 8)
    assert au.dice_loss(torch.full_like(empty, -100.0), empty).item() == 0.0, "silence is perfect"
    logits = torch.zeros_like(empty).requires_grad_()
    value = au.dice_loss(logits, empty, smooth=50.0)
    sure = empty.numel() / 2
    assert value.item() == pytest.approx(sure / (sure + 50))
    (gradient,) = torch.autograd.grad(value, logits)
    # d/dp = smooth/(Σp + smooth)², and dp/dlogit = 1/4 at p = 1/2
    torch.testing.assert_close(gradient, torch.full_like(gradient, 50 / (sure + 50) ** 2 / 4))
    (faint,) = torch.autograd.grad(au.dice_loss(logits, empty, smooth=1e-5), logits)
    assert faint.max() < 1e-5 * gradient.min(), "what only avoids 0/0 teaches nothing"


def test_pooled_dice_learns_from_empty_masks_beside_full_ones():
    logits = torch.zeros(2, 1, 4, 8, 8, requires_grad=True)
    target = torch.zeros_like(logits)
    target[0, 0, 1:3, 2:5, 2:5] = 1
    (alone,) = torch.autograd.grad(au.dice_loss(logits, target), logits)
    (pooled,) = torch.autograd.grad(au.dice_loss(logits, target, pooled=True), logits)
    assert pooled[1].min() > 5 * alone[1].max() > 0


def test_focal_loss_is_monais_and_cross_entropy_at_0():
    logits, target = 3 * seeded(2, 1, 4, 5, 6), rare(2, 1, 4, 5, 6)
    for gamma, alpha in itertools.product((0.5, 2.0, 5.0), (None, 0.25)):
        theirs = FocalLoss(gamma=gamma, alpha=alpha)(logits, target)
        torch.testing.assert_close(au.focal_loss(logits, target, gamma, alpha), theirs, rtol=1e-5, atol=1e-7)
    plain = F.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(au.focal_loss(logits, target, gamma=0.0), plain)
    with pytest.raises(ValueError, match="expected one shape"):
        au.focal_loss(logits, target[:, :, 1:])


@pytest.mark.parametrize("size", [0.0, 1e-3, 30.0, 500.0, 1e30])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_losses_and_gradients_are_finite_everywhere(size, gamma):
    for sign, t in itertools.product((-1, 1), (0.0, 1.0)):
        logits = torch.full((1, 1, 2, 2, 2), sign * size, requires_grad=True)
        target = torch.full_like(logits, t)
        value = au.dice_loss(logits, target) + au.focal_loss(logits, target, gamma)
        assert value.isfinite() and torch.autograd.grad(value, logits)[0].isfinite().all()


def test_dice_score_by_hand():
    a, b = torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 1, 0])
    assert au.dice_score(a, b) == 0.5 and au.dice_score(a, a) == 1 and au.dice_score(a, 1 - a) == 0
    assert au.dice_score(0 * a, 0 * a) == 1 and au.dice_score(0 * a, a) == 0
    with pytest.raises(ValueError, match="masks of one shape"):
        au.dice_score(a, b[:3])


# ------------------------------------------------------------------------------------------------------- sliding window


def predict(x):
    """Not the same everywhere in a window, so that the weights matter; two channels."""
    ramp = torch.linspace(0.5, 1.5, x.shape[-1]) + torch.linspace(0, 1, x.shape[2])[:, None, None]
    return torch.cat([x[:, :1] * ramp, x[:, :1].sin() + ramp], 1)


@pytest.mark.parametrize("blend", ["gaussian", "constant"])
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 23)] * 3),
    size=st.tuples(*[st.integers(1, 11)] * 3),
    overlap=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9]),
    batch=st.integers(1, 5),
)
def test_sliding_windows_are_monais(blend, shape, size, overlap, batch):
    if max(shape) > 12 and overlap > 0.75:
        overlap = 0.5
    volume = seeded(2, 1, *shape)
    ours = au.sliding_window(volume, size, predict, overlap, blend, batch)
    theirs = sliding_window_inference(volume, size, 4, predict, overlap, mode=blend)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 0.99))
def test_windows_cover_an_axis_and_stay_inside(length, size, overlap):
    size = min(size, length)
    found = au.starts(length, size, overlap)
    assert found[0] == 0 and found[-1] == length - size and found == sorted(set(found))
    assert all(b - a <= size for a, b in itertools.pairwise(found))
    covered = {i for a in found for i in range(a, a + size)}
    assert covered == set(range(length))


def test_windows_by_hand():
    assert au.starts(10, 4, 0.25) == [0, 3, 6]
    assert au.starts(11, 4, 0.25) == [0, 3, 6, 7], "the last is moved back"
    assert au.starts(4, 4) == [0]
    for wrong in [(4, 5, 0.25), (4, 0, 0.25), (4, 2, 1.0), (4, 2, -0.1)]:
        with pytest.raises(ValueError, match="expected an overlap"):
            au.starts(*wrong)


@pytest.mark.parametrize("blend", ["gaussian", "constant"])
def test_what_looks_at_each_voxel_alone_leaves_no_seam(blend):
    volume = seeded(1, 1, 9, 14, 11)
    got = au.sliding_window(volume, (4, 5, 6), lambda x: 3 * x - 1, 0.5, blend)
    torch.testing.assert_close(got, 3 * volume - 1)


def test_the_gaussian_is_highest_in_the_middle_and_never_0():
    weight = au.gaussian((5, 9, 7))
    assert weight.shape == (5, 9, 7) and weight[2, 4, 3] == weight.max() == 1 and weight.min() == pytest.approx(1e-3)
    assert torch.equal(weight, weight.flip(0, 1, 2))
    assert weight[2, 4, 1].item() == pytest.approx(math.exp(-(2**2) / (2 * (7 / 8) ** 2)))


def test_a_sliding_window_keeps_volume_and_graph_out_of_it():
    volume = seeded(1, 1, 5, 6, 7).requires_grad_()
    before = volume.detach().clone()
    got = au.sliding_window(volume, (4, 4, 4), lambda x: x * 2)
    assert not got.requires_grad and torch.equal(volume.detach(), before)
    with pytest.raises(ValueError, match="'gaussian' or 'constant'"):
        au.sliding_window(volume, (4, 4, 4), predict, blend="none")
    with pytest.raises(ValueError, match=r"expected a volume \(N, C, D, H, W\)"):
        au.sliding_window(volume[0], (4, 4, 4), predict)


# ---------------------------------------------------------------------------------------------------- voxels to nodules


def test_candidates_are_in_millimetres():
    p = np.zeros((6, 8, 9), np.float32)
    p[1, 2, 3], p[1, 2, 4] = 0.9, 0.6
    p[4:6, 6, 6] = 0.7
    first, second = au.candidates(p, (2.5, 1.0, 0.5))
    assert first.score == pytest.approx(0.9) and second.score == pytest.approx(0.7)
    assert first.centre == pytest.approx((2.5, 2.0, 0.5 * (3 * 0.9 + 4 * 0.6) / 1.5))
    assert second.centre == pytest.approx((2.5 * 4.5, 6.0, 3.0))
    assert au.candidates(p, (2.5, 1.0, 0.5), threshold=0.8)[0].centre == pytest.approx((2.5, 2.0, 1.5))
    assert au.candidates(p, (2.5, 1.0, 0.5), smallest=2.5) == [], "both have two voxels of 1.25 mm³"
    assert len(au.candidates(p, (2.5, 1.0, 0.5), smallest=2.4)) == 2
    assert au.candidates(p, (2.5, 1.0, 0.5), threshold=0.95) == []


def test_voxels_that_touch_at_a_corner_are_one_candidate():
    p = np.zeros((3, 3, 3), np.float32)
    p[0, 0, 0] = p[1, 1, 1] = 1
    assert len(au.candidates(p, (1, 1, 1))) == 1


def at(z, y, x, score):
    return au.Candidate((z, y, x), score)


BIG, SMALL = Finding((10.0, 10.0, 10.0), 8.0), Finding((30.0, 10.0, 10.0), 4.0)
OTHER = Finding((10.0, 30.0, 10.0), 6.0, relevant=False)


def test_matching_by_hand():
    found = [at(10, 10, 13.9, 0.4), at(9, 10, 10, 0.8), at(10, 14, 10, 0.7), at(12, 30, 10, 0.9), at(50, 50, 50, 0.3)]
    got = au.match(found, [BIG, SMALL, OTHER])
    assert got.hits == [0.8, -math.inf], "the best of two hits counts, once"
    assert got.false == [0.7, 0.3], "a radius away is not a hit"
    assert got.ignored == 2, "the second hit, and what lies in an irrelevant finding"
    assert au.match([], [BIG]) == ([-math.inf], [], 0) and au.match(found[4:], []) == ([], [0.3], 0)


def test_a_candidate_in_two_findings_hits_both_and_relevance_goes_first():
    twin = Finding((10.0, 10.0, 14.0), 8.0)
    got = au.match([at(10, 10, 12, 0.6)], [BIG, twin])
    assert got.hits == [0.6, 0.6] and got.false == [] and got.ignored == 0
    veiled = Finding(BIG.centre, 20.0, relevant=False)
    for order in ([BIG, veiled], [veiled, BIG]):
        assert au.match([at(10, 10, 12, 0.6)], order).hits == [0.6]


def test_froc_by_hand():
    curve = au.froc([au.Matches([0.9, -math.inf], [0.8, 0.2], 3), au.Matches([0.5], [0.5], 0)])
    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.8, 0.5, 0.2]
    assert curve.false_positives.tolist() == [0, 0, 0.5, 1, 1.5]
    assert curve.sensitivity.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert curve.at([0, 0.5, 0.75, 1, 8]).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 2, 2 / 3, 2 / 3])
    assert curve.score == pytest.approx((1 / 3 * 3 + 2 / 3 * 4) / 7)
    with pytest.raises(ValueError, match="at least one relevant finding"):
        au.froc([au.Matches([], [0.3], 0)])


def test_froc_of_nothing_found_and_of_all_found():
    assert au.froc([au.Matches([-math.inf] * 3, [], 0)]).score == 0
    assert au.froc([au.Matches([0.5, 0.6], [], 0)]).score == 1


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, -math.inf]), min_size=1, max_size=4),
            st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.6, 0.8]), max_size=5),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_froc_point_is_what_counting_at_its_threshold_gives(cases):
    curve = au.froc([au.Matches(hits, false, 0) for hits, false in cases])
    for threshold, false_positives, sensitivity in zip(*curve, strict=True):
        hits = [score >= threshold for of_case, _ in cases for score in of_case]
        assert sensitivity == pytest.approx(sum(hits) / len(hits))
        assert false_positives == pytest.approx(sum(s >= threshold for _, f in cases for s in f) / len(cases))
    assert (np.diff(curve.sensitivity) >= 0).all() and (np.diff(curve.false_positives) >= 0).all()


def luna(found, findings):
    """LUNA16's rule in its own words: hits are struck off a copy of the list, and what is left is false."""
    left, hits = dict(enumerate(found)), []
    for f in findings:
        scores = []
        for i, c in enumerate(found):
            if sum((a - b) ** 2 for a, b in zip(c.centre, f.centre, strict=True)) < (f.diameter / 2) ** 2:
                left.pop(i, None)
                scores.append(c.score)
        if f.relevant:
            hits.append(max(scores, default=-math.inf))
    return hits, [c.score for c in left.values()]


def test_matching_is_lunas():
    rng = np.random.default_rng(0)
    for _ in range(200):
        findings = [Finding(tuple(rng.uniform(0, 30, 3)), rng.uniform(3, 20), rng.random() < 0.6) for _ in range(4)]
        found = [au.Candidate(tuple(rng.uniform(0, 30, 3)), float(rng.random())) for _ in range(rng.integers(8))]
        assert au.match(found, findings)[:2] == luna(found, findings)


# -------------------------------------------------------------------------------------------------------------- patches


def toy_case(shape=(9, 20, 24)):
    labels = np.zeros(shape, np.uint8)
    labels[4, 10:12, 12:15], labels[1, 3, 3] = 1, 2
    hu = np.where(labels > 0, 400, -1000).astype(np.int16)
    findings = (Finding((10.0, 10.5, 13.0), 6.0), Finding((2.5, 3.0, 3.0), 3.0, relevant=False))
    return Case(hu, labels, (2.5, 1.0, 1.0), findings, "nobody")


def test_every_second_patch_is_near_a_finding():
    case = replace(toy_case(), findings=toy_case().findings[:1])
    volumes, masks = au.patches([case], (5, 8, 10), 60, np.random.default_rng(0))
    assert volumes.shape == masks.shape == (60, 1, 5, 8, 10)
    assert all(m.sum() > 0 for m in masks[::2]) and 0 < sum(m.sum() > 0 for m in masks[1::2]) < 30
    assert volumes[masks == 1].unique().tolist() == [1] and set(masks.unique().tolist()) == {0, 1}


def test_an_irrelevant_finding_is_not_to_be_found():
    _, masks = au.patches([toy_case()], (9, 20, 24), 3, np.random.default_rng(0))
    assert masks.sum((1, 2, 3, 4)).tolist() == [6, 6, 6]
    with pytest.raises(ValueError, match="patches of at most"):
        au.patches([toy_case()], (10, 20, 24), 1, np.random.default_rng(0))


# ------------------------------------------------------------------------------------------------------------------ GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_windows_and_losses_are_those_of_the_cpu():
    net = au.AttentionUnet3d(channels=(4, 8)).eval()
    volume = seeded(1, 1, 12, 20, 20)
    want = au.sliding_window(volume, (8, 12, 12), net)
    got = au.sliding_window(volume.cuda(), (8, 12, 12), net.cuda())
    torch.testing.assert_close(got.cpu(), want, rtol=1e-3, atol=1e-3)  # TF32 convolutions
