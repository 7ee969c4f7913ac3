"""Attention U-Net: finding small things in volumes, and counting what was found.

[O18]  Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018 (arXiv:1804.03999): abstract
       opened, equations not seen
[OC]   their code, github.com/ozan-oktay/Attention-Gated-Networks, models/layers/grid_attention_layer.py at 4a36328
       (opened): the gate followed here
[M16]  Milletari et al., V-Net, 3DV 2016 (arXiv:1606.04797), not seen. soft Dice loss with squares, which we leave out
[L17]  Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv:1708.02002), not seen
[S17]  Setio et al., LUNA16, Medical Image Analysis 42 (2017) (arXiv:1612.08012), not seen; its evaluation script
       noduleCADEvaluationLUNA16.py, opened in github.com/uci-cbcl/NoduleNet at feffef3: matching and FROC

    q = ψ(relu(θ(x) + φ(g)))       on the coarse grid       θ strides from x's grid to it
    α = upsample(sigmoid(q))       on x's grid, 0 to 1      one map for all channels
    gate(x, g) = α · x

    symbol here        meaning
    N, C, D, H, W      volumes, channels, slices, rows, columns
    x, g               features that skip to the decoder; the coarser, deeper ones that say where to look
    z, y, x order      of every index, spacing and position: millimetres = index · spacing
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from quintet.data.lidc import Case, Finding

# ---------------------------------------------------------------------------------------------------------------------
# Geometry and intensity


def hounsfield(stored: Tensor, slope: float, intercept: float) -> Tensor:
    """HU (float32) of what a DICOM file stores: slope · stored + intercept. Water is 0 HU, air −1000."""
    return stored.float() * slope + intercept


def window(hu: Tensor, low: float = -1000.0, high: float = 400.0) -> Tensor:
    """HU as float32 in 0 to 1; what is below `low` is 0, above `high` 1. The default shows lung and soft tissue."""
    if not low < high:
        raise ValueError(f"expected low < high, received {low} and {high}: give them in HU")
    return ((hu.float() - low) / (high - low)).clamp_(0, 1)


def to_mm(index: Sequence[float], spacing: Sequence[float]) -> tuple[float, ...]:
    """The position (z, y, x) in mm of a voxel's centre, from that of the first voxel."""
    return tuple(float(i) * float(s) for i, s in zip(index, spacing, strict=True))


def to_index(mm: Sequence[float], spacing: Sequence[float]) -> tuple[int, ...]:
    """The voxel (z, y, x) that a position in mm lies in."""
    return tuple(math.floor(float(p) / float(s) + 0.5) for p, s in zip(mm, spacing, strict=True))


# ---------------------------------------------------------------------------------------------------------------------
# The network


class AttentionGate(nn.Module):
    """Additive attention [O18], on the coarse grid as in [OC]. gate(x, g) gives α · x, and α.

    x: (N, x_channels, D, H, W). g: (N, g_channels, …) of any size, as φ(g) is interpolated to θ(x). α: (N, 1, D, H, W),
    between 0 and 1. stride: voxels of x to one of the coarse grid, one number or (z, y, x).
    Differs from [OC]: no 1×1×1 convolution and batch norm after the product.
    """

    def __init__(self, x_channels: int, g_channels: int, inner: int | None = None, stride: int | Sequence[int] = 2):
        super().__init__()
        inner = inner or max(x_channels // 2, 1)
        self.theta = nn.Conv3d(x_channels, inner, kernel_size=stride, stride=stride, bias=False)
        self.phi = nn.Conv3d(g_channels, inner, kernel_size=1)
        self.psi = nn.Conv3d(inner, 1, kernel_size=1)

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        theta_x, phi_g = self.theta(x), self.phi(g)  # (N, inner, d, h, w)
        q = self.psi(F.relu(theta_x + _resize(phi_g, theta_x.shape[2:])))  # (N, 1, d, h, w)
        alpha = _resize(q.sigmoid(), x.shape[2:])  # (N, 1, D, H, W)
        return alpha * x, alpha


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if x.shape[2:] == torch.Size(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="trilinear", align_corners=False)


def _block(c_in: int, c_out: int, stride: int | Sequence[int] = 1) -> nn.Sequential:
    """Convolution 3×3×3, batch norm, ReLU. In place, so that one tensor less is kept for backward."""
    conv = nn.Conv3d(c_in, c_out, 3, stride, padding=1, bias=False)  # batch norm would take a bias away again
    return nn.Sequential(conv, nn.BatchNorm3d(c_out), nn.ReLU(inplace=True))


PRIOR = 0.02  # what an untrained network gives every voxel, as nearly all are lung; 0.01 in [L17]


class AttentionUnet3d(nn.Module):
    """A 3-D U-Net whose skips pass gates: (N, in_channels, D, H, W) to logits (N, out_channels, D, H, W).

    channels: of each level, the finest first; their number is the depth. strides: from each level to the next, one
    number or (z, y, x) each, so that a level may halve rows and columns and leave thick slices alone; 2 by default.
    gates=False: a plain U-Net, alike but for its gates. D, H and W may be anything from the product of their strides
    on. model(x, maps=True) also gives the gates' maps α, the finest first.

    Differs from [O18]: strided convolutions in place of max pooling, transposed ones on the way up and one convolution
    after each merge, as in MONAI's; no deep supervision; the finest level is gated too.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        channels: Sequence[int] = (8, 16, 32),
        strides: Sequence[int | Sequence[int]] | None = None,
        gates: bool = True,
    ):
        super().__init__()
        strides = [2] * (len(channels) - 1) if strides is None else list(strides)
        if len(channels) < 2 or len(strides) != len(channels) - 1:
            raise ValueError(
                f"expected two levels or more and a stride between each, received channels {tuple(channels)} and "
                f"strides {tuple(strides)}: give one stride less than levels"
            )
        before = [in_channels, *channels[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(_block(a, b, s), _block(b, b))
            for a, b, s in zip(before, channels, [1, *strides], strict=True)
        )
        levels = list(zip(channels[:-1], channels[1:], strides, strict=True))  # (fine, coarse, stride)
        self.gates = nn.ModuleList(AttentionGate(a, b, stride=s) for a, b, s in levels) if gates else None
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, kernel_size=s, stride=s) for a, b, s in levels)
        self.merge = nn.ModuleList(_block(2 * a, a) for a, _, _ in levels)
        self.head = nn.Conv3d(channels[0], out_channels, kernel_size=1)
        nn.init.constant_(self.head.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, x: Tensor, maps: bool = False) -> Tensor | tuple[Tensor, list[Tensor]]:
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        x, found = skips.pop(), []
        for level in reversed(range(len(skips))):
            skip = skips.pop()
            up = _fit(self.up[level](x), skip.shape[2:])
            if self.gates is not None:
                skip, alpha = self.gates[level](skip, x)
                found.insert(0, alpha)
            x = self.merge[level](torch.cat([skip, up], dim=1))
        return (self.head(x), found) if maps else self.head(x)


def _fit(x: Tensor, size: Sequence[int]) -> Tensor:
    """x cut to a size that is smaller by less than a stride: strided convolutions round an odd size up."""
    return x[:, :, : size[0], : size[1], : size[2]]


# ---------------------------------------------------------------------------------------------------------------------
# Losses


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0, pooled: bool = False) -> Tensor:
    """1 − (2 Σ p·t + smooth) / (Σ p + Σ t + smooth), p = sigmoid(logits); the mean over volumes and channels.

    logits: (N, C, D, H, W). target: the same shape, 0 and 1 of any dtype. Sums are float32. pooled: sum over the batch
    as well, one value a channel. smooth: in voxels, positive.

    An empty mask: the loss is Σp / (Σp + smooth), 0 where nothing is predicted, and its gradient smooth / (Σp +
    smooth)² for each p. So `smooth` is a choice: 1e-5, which only avoids 0/0, gives a loss of 1 and no gradient until
    the last voxel is gone, whereas smooth of a nodule's size, or pooling with volumes that hold one, teaches the
    network to be silent. Without smooth the loss is NaN or 1 there. Raises ValueError for other shapes or smooth ≤ 0.
    """
    if logits.shape != target.shape or smooth <= 0:
        raise ValueError(
            f"expected logits and target of one shape and smooth above 0, received {tuple(logits.shape)}, "
            f"{tuple(target.shape)} and {smooth}"
        )
    p, t = logits.float().sigmoid().flatten(2), target.flatten(2).float()  # (N, C, D·H·W)
    both = torch.linalg.vecdot(p, t)
    each = p.sum(-1) + t.sum(-1)
    if pooled:
        both, each = both.sum(0), each.sum(0)
    return (1 - (2 * both + smooth) / (each + smooth)).mean()


def focal_loss(logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """Mean of −w (1 − p_t)^γ log p_t, p_t the probability given to what is there. [L17 (4), (5)]

    target: the same shape as logits, 0 and 1. alpha: the weight w of ones, 1 − alpha that of zeros; 1 for both if None.
    gamma 0 is cross-entropy. Finite, with its gradient, for logits of any size. Raises ValueError for other shapes.
    """
    if logits.shape != target.shape:
        raise ValueError(f"expected one shape, received logits {tuple(logits.shape)} and target {tuple(target.shape)}")
    logits, target = logits.float(), target.float()
    toward = logits * (2 * target - 1)  # the logit of what is there
    loss = -F.logsigmoid(toward) * torch.exp(gamma * F.logsigmoid(-toward))  # 0**γ would have no gradient for γ < 1
    if alpha is not None:
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return loss.mean()


def dice_score(a: Tensor, b: Tensor) -> float:
    """2 |a ∧ b| / (|a| + |b|) of two bool masks of one shape; 1 where both are empty, as they agree."""
    if a.shape != b.shape:
        raise ValueError(f"expected masks of one shape, received {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = a.bool(), b.bool()
    size = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / size if size else 1.0


def patches(cases: Sequence[Case], size: Sequence[int], count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random patches of cases, windowed, and their masks of relevant nodules: each float32 (count, 1, *size).

    Every second one is near a finding, relevant or not, so that its middle is at most a quarter of the size away; the
    others are anywhere. Drawn anywhere alone, nearly all would be empty. Raises ValueError where a case is smaller.
    """
    volumes, masks = [], []
    for k in range(count):
        case = cases[rng.integers(len(cases))]
        room = np.subtract(case.hu.shape, size)
        if room.min() < 0:
            raise ValueError(f"expected patches of at most {case.hu.shape} voxels, received {tuple(size)}")
        corner = rng.integers(0, room + 1)
        if k % 2 == 0 and case.findings:
            quarter = np.asarray(size) // 4
            middle = to_index(case.findings[rng.integers(len(case.findings))].centre, case.spacing)
            corner = np.clip(middle + rng.integers(-quarter, quarter + 1) - np.asarray(size) // 2, 0, room)
        box = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
        volumes.append(window(torch.from_numpy(case.hu[box])))
        masks.append(torch.from_numpy(case.target[box]).float())
    return torch.stack(volumes)[:, None], torch.stack(masks)[:, None]


FOCAL = 10.0  # weight of the focal loss: as a mean over all voxels it is small beside Dice


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, volumes: Tensor, masks: Tensor) -> Tensor:
    """One step on pooled Dice plus FOCAL times the focal loss; returns the loss before it. Both (N, 1, D, H, W).

    Dice looks at overlap and hardly at a voxel far from every nodule; focal loss has a gradient in each voxel.
    """
    optimizer.zero_grad(set_to_none=True)
    logits = model(volumes)
    loss = dice_loss(logits, masks, pooled=True) + FOCAL * focal_loss(logits, masks)
    loss.backward()
    optimizer.step()
    return loss.detach()


# ---------------------------------------------------------------------------------------------------------------------
# Sliding window


def starts(length: int, size: int, overlap: float = 0.25) -> list[int]:
    """Where windows of `size` begin along an axis of `length` ≥ size, all inside; the last is moved back to fit."""
    if not 0 <= overlap < 1 or not 1 <= size <= length:
        raise ValueError(
            f"expected an overlap of 0 to below 1 and a window of 1 to {length} voxels, received {overlap} and {size}"
        )
    step = size if size == length else max(int(size * (1 - overlap)), 1)
    return [min(i, length - size) for i in range(0, length - size + step, step)]


def gaussian(size: Sequence[int], sigma: float = 0.125) -> Tensor:
    """Weights of a window, float32 (D, H, W): a Gaussian about its middle, deviation sigma · size, and at least 1e-3.

    Near its border a window has seen little of the surroundings, so that in whose middle a voxel lies counts more.
    """
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in size]
    d, h, w = (torch.exp(-(x**2) / (2 * (sigma * n) ** 2)) for x, n in zip(axes, size, strict=True))
    return (d[:, None, None] * h[:, None] * w).clamp_(min=1e-3)


@torch.no_grad()
def sliding_window(
    volume: Tensor,
    size: Sequence[int],
    predict: Callable[[Tensor], Tensor],
    overlap: float = 0.25,
    blend: str = "gaussian",
    batch: int = 4,
) -> Tensor:
    """A volume (N, C, D, H, W) predicted window by window: Σ weight · prediction / Σ weight, (N, K, D, H, W).

    predict: windows (n, C, *size) to (n, K, *size); `batch` of them at a time. blend: "gaussian", or "constant" for
    equal weights. A volume smaller than a window is padded with zeros, evenly on both sides, and cut again. No graph
    is kept.
    """
    if blend not in ("gaussian", "constant"):
        raise ValueError(f"blend is {blend!r}, expected 'gaussian' or 'constant'")
    if volume.ndim != 5 or len(size) != 3:
        raise ValueError(f"expected a volume (N, C, D, H, W) and three sizes, received {tuple(volume.shape)}, {size}")
    shape = volume.shape[2:]
    missing = [max(s - n, 0) for s, n in zip(size, shape, strict=True)]
    if any(missing):
        volume = F.pad(volume, [p for m in reversed(missing) for p in (m // 2, m - m // 2)])
    weight = gaussian(size) if blend == "gaussian" else torch.ones(*size)
    weight = weight.to(volume)
    boxes = [
        tuple(slice(a, a + s) for a, s in zip(corner, size, strict=True))
        for corner in itertools.product(*(starts(n, s, overlap) for n, s in zip(volume.shape[2:], size, strict=True)))
    ]
    total = volume.new_zeros(volume.shape[2:])
    for box in boxes:
        total[box] += weight
    sums = None
    todo = [(n, ..., *box) for n in range(len(volume)) for box in boxes]
    for chunk in (todo[i : i + batch] for i in range(0, len(todo), batch)):
        out = predict(torch.stack([volume[at] for at in chunk]))
        if sums is None:
            sums = volume.new_zeros(len(volume), out.shape[1], *volume.shape[2:])
        for at, one in zip(chunk, out, strict=True):
            sums[at].addcmul_(one, weight)
    sums /= total
    return sums[(..., *(slice(m // 2, m // 2 + n) for m, n in zip(missing, shape, strict=True)))]


# ---------------------------------------------------------------------------------------------------------------------
# From voxels to nodules


class Candidate(NamedTuple):
    """A place where a detector saw a nodule. centre: (z, y, x) in mm. score: higher is surer."""

    centre: tuple[float, float, float]
    score: float


def candidates(
    probability: np.ndarray, spacing: Sequence[float], threshold: float = 0.5, smallest: float = 0.0
) -> list[Candidate]:
    """Connected voxels above the threshold, each once: centre of mass and highest probability. probability: (z, y, x).

    Voxels that touch at a corner are connected. smallest: in mm³; what is not larger is left out. Best score first.
    """
    probability = np.asarray(probability)
    labels, count = ndimage.label(probability > threshold, np.ones((3, 3, 3)))
    if not count:
        return []
    ids = np.arange(1, count + 1)
    volume = np.bincount(labels.ravel(), minlength=count + 1)[1:] * np.prod(spacing)
    centres = np.array(ndimage.center_of_mass(probability, labels, ids))
    scores = ndimage.maximum(probability, labels, ids)
    found = [
        Candidate(to_mm(centre, spacing), float(score))
        for centre, score, size in zip(centres, scores, volume, strict=True)
        if size > smallest
    ]
    return sorted(found, key=lambda c: -c.score)


class Matches(NamedTuple):
    """One case. hits: for each relevant finding its best candidate's score, −inf where it was missed.
    false: scores of false positives. ignored: candidates that are neither, and how many."""

    hits: list[float]
    false: list[float]
    ignored: int


def match(found: Sequence[Candidate], findings: Sequence[Finding]) -> Matches:
    """Which candidates hit, by the rule of LUNA16. [S17]

    A candidate hits a finding if it is less than the finding's radius from its centre, in mm. A relevant finding that
    is hit counts once, with the highest score; further hits of it are ignored, as are hits of irrelevant findings (what
    fewer than three readers marked). A candidate that hits nothing is a false positive.
    """
    hits, touched = [], set()
    for finding in findings:
        inside = [i for i, c in enumerate(found) if math.dist(c.centre, finding.centre) < finding.diameter / 2]
        touched.update(inside)
        if finding.relevant:
            hits.append(max((found[i].score for i in inside), default=-math.inf))
    false = [c.score for i, c in enumerate(found) if i not in touched]
    detected = sum(score > -math.inf for score in hits)
    return Matches(hits, false, max(len(touched) - detected, 0))


POINTS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)  # false positives a scan at which LUNA16 reads the curve


class Froc(NamedTuple):
    """A free-response curve, from the highest threshold to the lowest. A candidate counts if its score ≥ threshold.

    false_positives: a scan. sensitivity: the share of relevant findings that are hit. Begins with (0, 0), at +inf.
    """

    thresholds: np.ndarray
    false_positives: np.ndarray
    sensitivity: np.ndarray

    def at(self, false_positives: float | Sequence[float]) -> np.ndarray:
        """Sensitivity at so many false positives a scan, interpolated as LUNA16 does; past the curve's end, its end."""
        return np.interp(false_positives, self.false_positives, self.sensitivity)

    @property
    def score(self) -> float:
        """Mean sensitivity at the seven points of LUNA16."""
        return float(self.at(POINTS).mean())


def froc(cases: Sequence[Matches]) -> Froc:
    """The curve of many cases. Equal scores are passed together. Raises ValueError without a relevant finding."""
    hits = np.array([score for case in cases for score in case.hits])
    false = np.array([score for case in cases for score in case.false])
    if not len(hits):
        raise ValueError(f"expected at least one relevant finding, received {len(cases)} cases without any")
    thresholds = np.unique(np.concatenate([hits[hits > -np.inf], false]))[::-1]
    sensitivity = (hits >= thresholds[:, None]).sum(1) / len(hits)
    positives = (false >= thresholds[:, None]).sum(1) / len(cases)
    return Froc(np.r_[np.inf, thresholds], np.r_[0.0, positives], np.r_[0.0, sensitivity])
