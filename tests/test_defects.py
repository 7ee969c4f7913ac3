"""The library of topic 3.1: against albumentations, scikit-learn, SciPy and brute force, and by what must hold."""

import math
import os
import random
from pathlib import Path

import albumentations as A
import cv2
import nbformat
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from quintet import defects as d


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -------------------------------------------------------------------------------------------------------------- drawing


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", d.KINDS)
def test_a_drawn_defect_changes_the_picture_exactly_where_its_mask_says(kind: str, seed: int) -> None:
    texture = cv2.resize(skimage.data.gravel(), (96, 96), interpolation=cv2.INTER_AREA)
    for image in (d.cell(96, rng(seed), "mono"), d.cell(96, rng(seed), "poly"), np.maximum(texture, 4)):
        before = image.copy()
        drawn, mask = d.draw(image, rng(seed), [kind])
        assert (image == before).all(), "the picture that it was given"
        assert set(np.unique(mask)) == {0, d.KINDS.index(kind) + 1}
        assert ((drawn != image) == (mask > 0)).all() and (drawn <= image).all()
        assert 5 < (mask > 0).sum() < 0.2 * mask.size


def test_drawing_is_decided_by_its_generator() -> None:
    image = d.cell(64, rng(), "poly")
    first, again, other = (d.draw(image, rng(s))[1] for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_drawing_refuses_other_pictures_kinds_and_depths() -> None:
    image = d.cell(64, rng())
    for wrong in (image[:, :60], image.astype(float), np.stack([image] * 3, -1)):
        with pytest.raises(ValueError, match="uint8 picture"):
            d.draw(wrong, rng())
    with pytest.raises(ValueError, match="dent"):
        d.draw(image, rng(), ["dent"])
    with pytest.raises(ValueError, match="depth"):
        d.draw(image, rng(), depth=1.5)
    with pytest.raises(ValueError, match="thin"):
        d.cell(64, rng(), "thin")


# --------------------------------------------------------------------------------------------------------- augmentation


def test_importing_the_library_asks_no_registry_for_a_newer_albumentations() -> None:
    assert os.environ.get("NO_ALBUMENTATIONS_UPDATE")


def test_two_pipelines_of_one_seed_give_one_sequence_and_each_call_draws_anew() -> None:
    image, mask = d.draw(d.cell(96, rng()), rng())
    first, again, other = (d.seeded(d.recommended(64), s) for s in (3, 3, 4))
    calls = [[t(image=image, mask=mask) for _ in range(8)] for t in (first, again, other)]
    for a, b in zip(*calls[:2], strict=True):
        assert (a["image"] == b["image"]).all() and (a["mask"] == b["mask"]).all()
    assert len({c["image"].tobytes() for c in calls[0]}) > 4
    assert any((a["image"] != b["image"]).any() for a, b in zip(calls[0], calls[2], strict=True))


def test_flips_are_independent_where_composes_own_seed_ties_them() -> None:
    marked = np.zeros((4, 4), np.uint8)
    marked[0, 0] = 255

    def tied(t: A.Compose) -> float:
        at = [np.argwhere(t(image=marked)["image"])[0] for _ in range(400)]
        return np.mean([(r > 0) == (c > 0) for r, c in at])

    assert tied(A.Compose(d.flips(), seed=0)) == 1, "albumentations has changed: `seeded` may not be needed any more"
    assert abs(tied(d.seeded(d.flips(), 0)) - 0.5) < 5 * 0.5 / math.sqrt(400)


def test_image_and_mask_stay_together_under_every_recommended_transform() -> None:
    """The picture is the mask, painted: what moves one must move the other. A threshold undoes the light."""
    mask = d.spot(96, rng(2))
    pipeline = d.seeded(d.recommended(96), 0)
    for _ in range(60):
        out = pipeline(image=np.where(mask > 0, 200, 50).astype(np.uint8), mask=mask)
        assert set(np.unique(out["mask"])) <= {0, 1}
        differ = (out["image"] > 125) != (out["mask"] > 0)
        edge = int(cv2.dilate(mask, np.ones((3, 3))).sum()) - int(mask.sum())  # pixels along it, where both are rounded
        assert differ.sum() < 0.35 * edge + 30


def test_a_smaller_picture_keeps_a_scratch_and_a_smaller_mask_its_labels() -> None:
    image = np.full((128, 128), 200, np.uint8)
    image[:, 65] = 0
    mask = (image == 0).astype(np.uint8) * 3
    out = d.seeded([d.resize(32)], 0)(image=image, mask=mask)
    assert out["image"][:, 16].max() == 150, "the mean over 4 × 4 pixels, of which a quarter is black"
    assert set(np.unique(out["mask"])) <= {0, 3}


@pytest.mark.parametrize(("alpha", "sigma"), [(30, 5), (200, 5), (300, 8)])
@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_displacement_is_what_the_elastic_transform_does_to_a_ramp(alpha: float, sigma: float, noise: str) -> None:
    side = 128
    t = A.Compose([A.ElasticTransform(alpha, sigma, noise_distribution=noise, p=1)], seed=0)
    ramp = np.tile(np.arange(side, dtype=np.float32), (side, 1))
    inner = np.s_[24:-24, 24:-24]
    moved = np.sqrt(np.mean([((t(image=ramp)["image"] - ramp)[inner] ** 2).mean() for _ in range(20)]))
    expected = d.displacement(alpha, sigma, side if noise == "gaussian" else None)
    assert abs(moved / expected - 1) < 0.12  # 20 pictures of (80 / (2 √π σ))² independent places: 20 · 8 at sigma 8


def test_bends_have_the_spread_that_was_asked_for() -> None:
    assert d.displacement(d.bends(1.7, 5).alpha, 5) == pytest.approx(1.7)
    assert d.displacement(30, 5, 128) < 0.5, "the tutorial's deformation moves a pixel by less than half of one"


def test_hue_and_saturation_do_nothing_to_a_grey_picture_and_value_does() -> None:
    grey = cv2.cvtColor(d.cell(64, rng()), cv2.COLOR_GRAY2RGB)
    hue = A.Compose([A.HueSaturationValue((20, 20), (0, 0), (0, 0), p=1)])
    value = A.Compose([A.HueSaturationValue((0, 0), (0, 0), (20, 20), p=1)])
    assert np.abs(hue(image=grey)["image"].astype(int) - grey).max() <= 1
    assert (value(image=grey)["image"] > grey).mean() > 0.9


def test_augmented_goes_through_the_pictures_in_order_with_one_stream() -> None:
    images = np.stack([d.cell(48, rng(s)) for s in range(4)])
    t = d.seeded(d.recommended(32), 5)
    assert (d.augmented(images, d.recommended(32), 5) == np.stack([t(image=x)["image"] for x in images])).all()


# --------------------------------------------------------------------------------------------------------------- splits


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 17))
def test_blocks_are_neighbours_of_one_kind_and_full_but_for_the_last_of_a_run(runs: list[int], size: int) -> None:
    kind = np.repeat([("mono", "poly")[i % 2] for i in range(len(runs))], runs)
    block = d.blocks(kind, size)
    assert (np.diff(block) >= 0).all() and (np.unique(block) == np.arange(block.max() + 1)).all()
    assert block.max() + 1 == sum(math.ceil(n / size) for n in runs)
    assert np.bincount(block).max() <= size
    assert all(len(set(kind[block == b])) == 1 for b in np.unique(block))


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 400), st.integers(1, 12), st.integers(0, 9), st.integers(0, 99))
def test_a_split_deals_whole_blocks_and_a_gap_keeps_its_parts_apart(n: int, size: int, gap: int, seed: int) -> None:
    block = d.blocks(["mono"] * n, size)
    parts = d.split(block, seed)
    assert (np.sort(np.concatenate(list(parts.values()))) == np.arange(n)).all()
    owners = {name: set(block[cells]) for name, cells in parts.items()}
    assert not owners["train"] & owners["test"] and not owners["val"] & owners["test"]
    assert not owners["train"] & owners["val"]
    for name in ("val", "test"):
        assert 0.2 * n - size < len(parts[name]) < 0.2 * n + size + 1
    if min(map(len, parts.values())) == 0:
        return
    far = d.apart(parts, gap)
    assert (far["test"] == parts["test"]).all() and all(set(far[k]) <= set(parts[k]) for k in far)
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if len(far[one]) and len(far[other]):
            assert abs(far[one][:, None] - far[other]).min() > gap
    if gap == 0:
        assert all((far[k] == parts[k]).all() for k in far)


def test_splits_of_one_seed_are_equal_and_of_another_differ() -> None:
    block = d.blocks(["mono"] * 300, 10)
    a, b, c = (d.split(block, s)["test"] for s in (1, 1, 2))
    assert (a == b).all() and set(a) != set(c)
    with pytest.raises(ValueError, match="shares"):
        d.split(block, 0, val=0.5, test=0.5)


def test_likeness_is_the_correlation_and_does_not_see_light_and_gain() -> None:
    images = np.stack([d.cell(64, rng(s)) for s in range(3)])
    small = [cv2.resize(x, (16, 16), interpolation=cv2.INTER_AREA).ravel() for x in images]
    np.testing.assert_allclose(d.likeness(images), np.corrcoef(small), atol=1e-12)
    assert d.likeness(np.stack([images[0] // 2, images[0] // 2 + 40]))[0, 1] == pytest.approx(1, abs=1e-3)


# ------------------------------------------------------------------------------------------------------------- transfer


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    return d.lite0()


PHOTOS = [("chelsea", {281, 282, 285}), ("coffee", {967, 968, 504, 969})]  # cats; espresso, cup, mug, eggnog


@pytest.mark.parametrize(("photo", "names"), PHOTOS)
def test_the_weights_are_imagenets_in_their_usual_order(net: torch.nn.Module, photo: str, names: set[int]) -> None:
    """A cat and an espresso are called so: classes, channels and normalisation are the package's."""
    image = getattr(skimage.data, photo)()
    x = torch.from_numpy(cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        assert int(net((x / 255 - d.MEAN) / d.STD).argmax()) in names


def test_features_are_of_each_picture_alone_and_of_any_size(net: torch.nn.Module) -> None:
    images = np.stack([d.cell(40, rng(s)) for s in range(5)])
    x = d.features(net, images, batch=2)
    assert x.shape == (5, d.FEATURES) and x.dtype == np.float32 and np.isfinite(x).all()
    np.testing.assert_allclose(x[3], d.features(net, images[3:4])[0], atol=1e-4)
    by_hand = net.extract_features(d.normalised(images)).mean((2, 3))
    np.testing.assert_allclose(x, by_hand.detach().numpy(), atol=1e-4)
    with pytest.raises(ValueError, match="uint8"):
        d.features(net, images[0])


def test_the_head_is_scikit_learns_logistic_regression_where_labels_are_certain() -> None:
    x = rng().standard_normal((120, 6)).astype(np.float32) * [1, 2, 3, 4, 5, 6] + 1
    x = x.astype(np.float32)
    y = (x[:, 0] - x[:, 1] / 2 + rng(1).standard_normal(120) > 1).astype(float)
    head = d.fit_head(x, y, decay=0.05, steps=300)
    z = (x - x.mean(0)) / (x.std(0) + 1e-6)
    peer = LogisticRegression(C=1 / (0.05 * len(x)), tol=1e-8, max_iter=1000).fit(z, y)
    np.testing.assert_allclose(head(x), peer.decision_function(z), atol=2e-3)


def test_an_uncertain_label_pulls_by_its_probability() -> None:
    """⅓ for one cell is a whole defect for one of three: the same loss, so the same head."""
    x = rng().standard_normal((40, 3)).astype(np.float32)
    thirds = rng(1).integers(0, 4, 40) / 3
    threefold = np.concatenate([(thirds > i / 3 + 0.1).astype(float) for i in range(3)])
    soft, hard = d.fit_head(x, thirds, 0.1, 300), d.fit_head(np.tile(x, (3, 1)), threefold, 0.1, 300)
    np.testing.assert_allclose(soft(x), hard(x), atol=2e-3)
    with pytest.raises(ValueError, match="not all the same"):
        d.fit_head(x, np.zeros(40))


# ------------------------------------------------------------------------------------------------------ operating point


def test_rates_by_hand() -> None:
    score, defective = np.array([0.9, 0.5, 0.4, 0.5, 0.1]), np.array([True, True, True, False, False])
    assert d.rates(score, defective, 0.5) == (2 / 3, 1 / 2)
    assert math.isnan(d.rates(score[:3], defective[:3], 0.5).false_alarms)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_lower_bound_is_where_so_many_hits_are_just_unlikely(n: int, data: st.DataObject, c: float) -> None:
    k = data.draw(st.integers(0, n))
    bound = d.lower_bound(k, n, c)
    assert (bound == 0) if k == 0 else stats.binom.sf(k - 1, n, bound) == pytest.approx(1 - c, rel=1e-6)
    peer = stats.binomtest(k, n, alternative="greater").proportion_ci(c, method="exact").low
    assert bound == pytest.approx(peer, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=60), st.integers(0, 99), st.sampled_from([None, 0.8, 0.95]))
def test_the_threshold_is_the_largest_that_does_it(values: list[int], seed: int, confidence: float | None) -> None:
    """By brute force over all thresholds that make a difference; scores have many ties."""
    score = np.array(values) / 10
    defective = rng(seed).random(len(score)) < 0.6

    def enough(t: float) -> bool:
        k, n = int((score[defective] >= t).sum()), int(defective.sum())
        return n > 0 and (k / n if confidence is None else d.lower_bound(k, n, confidence)) >= 0.7

    allowed = [t for t in score[defective] if enough(t)]
    if allowed:
        assert d.choose(score, defective, 0.7, confidence) == max(allowed)
    else:
        with pytest.raises(ValueError, match="no threshold"):
            d.choose(score, defective, 0.7, confidence)


def test_a_threshold_with_a_bound_keeps_its_promise_as_often_as_it_says() -> None:
    """On fresh independent cells: the true recall is below what was asked in at most 5 % of 400 validations."""
    kept = []
    for seed in range(400):
        score = rng(seed).standard_normal(80)
        kept.append(stats.norm.sf(d.choose(score, np.ones(80, bool), 0.8)) >= 0.8)
    assert np.mean(kept) > 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)
    drawn = (rng(seed).standard_normal(80) for seed in range(400))
    seen = [stats.norm.sf(d.choose(score, np.ones(80, bool), 0.8, None)) >= 0.8 for score in drawn]
    assert np.mean(seen) < 0.7, "and without one it is broken about as often as not"


def test_needed_is_the_first_number_that_can_prove_it() -> None:
    for recall in (0.5, 0.85, 0.9, 0.99):
        n = d.needed(recall)
        assert d.lower_bound(n, n) >= recall > d.lower_bound(n - 1, n - 1)


def test_precision_is_that_of_a_line_that_was_counted() -> None:
    defective = np.arange(100_000) < 1000
    alarm = np.r_[np.arange(1000) < 900, np.arange(99_000) < 9900]
    assert d.precision(d.Rates(0.9, 0.1), 0.01) == pytest.approx(defective[alarm].mean())
    assert d.precision(d.Rates(0.9, 0.1), np.array([0.0, 1.0])).tolist() == [0, 1]
    assert math.isnan(d.precision(d.Rates(0.0, 0.0), 0.3))
    assert d.cost(d.Rates(0.9, 0.1), 0.01, escape=50, alarm=1) == pytest.approx((100 * 50 + 9900) / 100)


def test_recall_limits_are_the_extremes_over_all_labels_of_the_uncertain_cells() -> None:
    g = rng(3)
    score, probability = g.random(11), np.array([0, 1, 1, 1, 0, 1 / 3, 2 / 3, 1 / 3, 2 / 3, 1 / 3, 1])
    unsure = np.flatnonzero((probability > 0) & (probability < 1))
    seen = []
    for bits in range(2 ** len(unsure)):
        label = probability == 1
        label[unsure] = [bits >> i & 1 for i in range(len(unsure))]
        seen.append(d.rates(score, label, 0.5).recall)
    assert d.recall_limits(score, probability, 0.5) == pytest.approx((min(seen), max(seen)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=50), st.integers(0, 99))
def test_auc_is_scikit_learns(values: list[int], seed: int) -> None:
    defective = rng(seed).random(len(values)) < 0.5
    if defective.all() or not defective.any():
        with pytest.raises(ValueError, match="defective and sound"):
            d.auc(np.array(values), defective)
    else:
        assert d.auc(np.array(values), defective) == pytest.approx(roc_auc_score(defective, values))


# ------------------------------------------------------------------------------------------------------------- how sure


def test_blocks_alike_within_widen_the_interval_by_what_theory_says() -> None:
    """Cells of a block all equal: 40 blocks are 40 observations, however many cells they have."""
    g = rng(1)
    hit = np.repeat(g.random(40) < 0.7, 25)
    block, every = np.repeat(np.arange(40), 25), np.ones(1000, bool)
    wide = d.block_interval(hit, every, block, resamples=4000)
    narrow = d.block_interval(hit, every, np.arange(1000), resamples=4000)
    assert wide.value == narrow.value == hit.mean()
    sd = math.sqrt(hit.mean() * (1 - hit.mean()) / 40)
    assert (wide.high - wide.low) / (2 * 1.96 * sd) == pytest.approx(1, abs=0.1)
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(5, rel=0.12)  # √25


def test_the_block_bootstrap_is_that_of_a_slow_loop() -> None:
    g = rng(2)
    alarm, among = g.random(60) < 0.5, g.random(60) < 0.6
    block = np.repeat([3, 7, 1, 9, 4, 8], 10)
    there = [b for b in np.unique(block) if (among & (block == b)).any()]
    drawn = rng(0).integers(0, len(there), (500, len(there)))
    shares = [np.concatenate([alarm[among & (block == there[i])] for i in row]).mean() for row in drawn]
    found = d.block_interval(alarm, among, block, 0.9, 500, 0)
    np.testing.assert_allclose(found, [alarm[among].mean(), *np.quantile(shares, [0.05, 0.95])])


def test_the_paired_interval_is_the_t_test_of_one_sample() -> None:
    ours, base = rng(0).random(7) + 0.2, rng(1).random(7)
    value, low, high = d.paired_interval(ours, base)
    peer = stats.ttest_rel(ours, base).confidence_interval(0.95)
    assert (low, high) == pytest.approx((peer.low, peer.high)) and value == pytest.approx((ours - base).mean())
    with pytest.raises(ValueError, match="two seeds"):
        d.paired_interval([1.0], [2.0])


def test_pairing_tells_apart_what_two_separate_intervals_do_not() -> None:
    shared = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    base, ours = shared, shared + 0.05 + 0.01 * np.array([1, -1, 0, 1, -1])
    assert d.paired_interval(ours, base).low > 0
    assert ours.min() < base.max(), "though the two sets overlap"


def test_a_seeded_pipeline_does_not_touch_the_global_generators() -> None:
    random.seed(0)
    np.random.seed(0)
    before = random.getstate(), np.random.get_state()[1].tolist()
    d.augmented(d.cell(48, rng())[None], d.recommended(32), 1)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_the_stored_lecture_shows_no_photograph() -> None:
    """ELPV's licence: its pictures appear only where a reader asks for them, and one place alone draws them."""
    lectures = Path(__file__).parents[1] / "lectures"
    cells = nbformat.read(lectures / "3_applications" / "3_1_defects.ipynb", as_version=4).cells
    code = [c for c in cells if c.cell_type == "code"]
    assert "PHOTOGRAPHS = False" in next(c.source for c in code if "parameters" in c.metadata.get("tags", []))
    shows = [c for c in code if "picture_of(ax, images[" in c.source]
    assert len(shows) == 1 and "if PHOTOGRAPHS:" in shows[0].source
    assert not any("<img" in str(o) for o in shows[0].outputs)
