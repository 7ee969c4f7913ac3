"""What lab 3.2 asks: Hounsfield units and voxels, outlines as masks, a split by patient, the additive gate, Dice where
a mask is empty, a sliding window without seams, and nodules found, matched and counted.

Volumes are tiny, with three different sizes and three different spacings, so that no axis can be taken for another.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from quintet.checks import ANY, Either, Misconception, Mismatch, asking, case, check, draw, near, show_value
from quintet.checks.near import difference, plain
from quintet.data import lidc
from quintet.student import NotWritten, Ref, Student, StudentError

LECTURE = "lecture 3.2 attention_unet, section "
GEOMETRY = LECTURE + "1 Voxels and millimetres"
OUTLINES = LECTURE + "2 From an outline to voxels"
PATIENTS = LECTURE + "3 Four readers, one patient"
GATE = LECTURE + "5 The gate"
LOSSES = LECTURE + "6 Losses for almost nothing"
WINDOWS = LECTURE + "8 Windows and seams"
NODULES = LECTURE + "9 Nodules, not voxels"
MISCONCEPTIONS = {
    "hu-not-rescaled": Misconception(
        "stored numbers were taken for Hounsfield units",
        "A file stores what fits its integers. HU = slope · stored + intercept, and both differ from scanner to "
        "scanner: without them, air and bone of two scans are not the same numbers.",
        GEOMETRY,
    ),
    "mm-for-voxels": Misconception(
        "millimetres were taken for voxels, or voxels for millimetres",
        "A voxel has a size, and not the same one along each axis: index · spacing is a distance, and a voxel's volume "
        "is the product of the three spacings.",
        GEOMETRY,
    ),
    "xyz-for-zyx": Misconception(
        "x, y, z and z, y, x were mixed up",
        "Files and outlines give x (column) first; arrays are indexed by slice, row, column. Turn it round in one "
        "place, spacing and origin included, and nowhere else.",
        GEOMETRY,
    ),
    "border-filled": Misconception(
        "the outline's own pixels were counted as nodule",
        "Readers drew the first pixels outside of the nodule. To count them adds a pixel on each side: a nodule of "
        "5 mm doubles its volume, one of 20 mm grows by a fifth.",
        OUTLINES,
    ),
    "split-by-scan": Misconception(
        "scans of one patient are on both sides",
        "The same lungs, with the same nodules, are then trained on and tested. Split the patients, and let their "
        "scans follow.",
        PATIENTS,
    ),
    "x-not-projected": Misconception(
        "x went into the sum as it is, without θ",
        "θ brings x to the inner channels and to the grid on which x and g are compared; without it the gate cannot "
        "learn what to look for in x. φ(g) alone is projected in a snippet that goes round.",
        GATE,
    ),
    "no-relu": Misconception(
        "there is no ReLU between the sum and ψ",
        "Then ψ(θ(x) + φ(g)) is a linear function of x plus one of g: what g says cannot change what x needs to show. "
        "The ReLU makes the two depend on each other.",
        GATE,
    ),
    "sizes-must-match": Misconception(
        "the gate works only where x and g have the same size",
        "g comes from a coarser level. φ(g) has to be interpolated to θ(x)'s size, and α to that of x.",
        GATE,
    ),
    "empty-mask": Misconception(
        "an empty mask gives NaN, or the worst value, although nothing is to be found and nothing was",
        "0 / 0 has to be decided: two empty masks agree, so their Dice is 1. In the loss, `smooth` stands above and "
        "below the line: then silence costs nothing, and there is a gradient towards it.",
        LOSSES,
    ),
    "smooth-on-one-side": Misconception(
        "smooth has to stand above and below",
        "Above alone, the loss of an empty mask has no lower limit. Below alone, it is 1 for an empty mask, whatever "
        "was predicted: silence costs everything, and no gradient leads to it.",
        LOSSES,
    ),
    "overlap-summed": Misconception(
        "overlapping windows were added and not divided by their weights",
        "A voxel that eight windows see gets about eight times its value, and the windows' grid shows as seams. Divide "
        "by the sum of the weights at each voxel.",
        WINDOWS,
    ),
    "weights-ignored": Misconception(
        "all of a window's voxels count alike",
        "At its border a window has seen little of the surroundings. The weight says how much each of its voxels "
        "counts, above and below the line.",
        WINDOWS,
    ),
    "last-window-missed": Misconception(
        "the last windows are missing where the steps do not fit the length",
        "What lies behind the last whole step is seen by nobody. Move a last window back so that it ends with the "
        "volume.",
        WINDOWS,
    ),
    "voxels-for-nodules": Misconception(
        "each voxel above the threshold counts as a find",
        "A nodule of 10 mm has hundreds of voxels: one nodule would count hundreds of times. Connected voxels are one "
        "candidate.",
        NODULES,
    ),
    "nodule-counted-twice": Misconception(
        "a nodule that several candidates hit was counted several times",
        "Sensitivity is a share of nodules: each relevant finding has one entry, that of its best candidate. Further "
        "hits are ignored.",
        NODULES,
    ),
    "irrelevant-as-false": Misconception(
        "hits of irrelevant findings were counted as false positives",
        "One or two of four readers saw something there. A detector that sees it, too, is neither praised nor blamed.",
        NODULES,
    ),
    "missed-left-out": Misconception(
        "missed nodules do not count in the denominator",
        "Sensitivity is the share of *all* relevant findings that are found. A missed one, with a score of -∞, is one "
        "of them.",
        NODULES,
    ),
    "false-in-total": Misconception(
        "false positives were counted in total, not for each scan",
        "The rate is false positives divided by scans, those without any included.",
        NODULES,
    ),
}


# What is asked in the place of a function of the student's, to see its gradients.
ASKED = """
import torch
from torch import nn

def gradients(function, leaves, rest, weights):
    leaves = [x.requires_grad_() for x in leaves]
    out = function(*leaves, *rest)
    out = out[0] if isinstance(out, (tuple, list)) else out
    if not isinstance(out, torch.Tensor) or not out.requires_grad:
        return None
    (out * weights).sum().backward()
    modules = [module for module in rest if isinstance(module, nn.Module)]
    return [x.grad for x in leaves] + [p.grad for module in modules for p in module.parameters()]

# The gate's three convolutions, with the weights that they are given.
def convolutions(stride, theta, phi, phi_bias, psi, psi_bias):
    made = []
    for weight, bias, step in ((theta, None, stride), (phi, phi_bias, 1), (psi, psi_bias, 1)):
        step = tuple(step) if isinstance(step, list) else step
        conv = nn.Conv3d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]), step, bias=bias is not None)
        conv.to(weight.dtype)
        with torch.no_grad():
            conv.weight.copy_(weight)
            if bias is not None:
                conv.bias.copy_(bias)
        made.append(conv)
    return made

# A network's stand-in: what it says of a voxel depends on where in the window it is.
def predictor(scale, ramp):
    def predict(window):
        if tuple(window.shape) != tuple(ramp.shape):
            raise ValueError(f"predict takes a window of {tuple(ramp.shape)}, not of {tuple(window.shape)}")
        return torch.tanh(scale * window) + ramp

    return predict

# What it says is the window itself, and not a copy.
def same(window):
    return window

# Names whose hash differs from that of their text, as those of all texts do from process to process.
def salted(function, patients, share, seed, salt):
    class Name(str):
        def __hash__(self):
            return hash((salt, str(self)))

    return [list(part) for part in function([Name(name) for name in patients], share, seed)]

# A function with its place `at` filled: what is on this side stays out of what a check sends.
def filled(function, at, *things):
    return lambda *rest: function(*rest[:at], *things, *rest[at:])

def starts(length, size, step):
    found = list(range(0, length - size + 1, step))
    return found if found[-1] == length - size else [*found, length - size]
"""
_asked: dict = {"__name__": __name__}
exec(ASKED, _asked)


def _gradients(student: Student, function: Any, right: Callable, leaves: Mapping[str, Tensor], rest: Sequence,
               weights: Tensor, parameters: Mapping[str, Tensor] | None = None) -> None:  # fmt: skip
    """Mismatch unless the gradients of (function(*leaves, *rest) · weights).sum() are those of `right`, which is called
    with `parameters` in the place of `rest` where that holds modules on the student's side; theirs are asked, too."""
    leaves, count = {**leaves, **(parameters or {})}, len(leaves)
    xs = [x.clone().requires_grad_() for x in leaves.values()]
    want = list(torch.autograd.grad((right(*xs, *([] if parameters else rest)) * weights).sum(), xs))
    got = student.define(ASKED).gradients(function, list(leaves.values())[:count], list(rest), weights)
    if got is None:
        raise Mismatch(f"no gradient reaches {', '.join(leaves)}: the result has no graph")
    for i, (name, right_one) in enumerate(zip(leaves, want, strict=True)):
        if not isinstance(got, list) or len(got) != len(want) or got[i] is None:
            raise Mismatch(f"no gradient reaches {name}")
        near(got[i], right_one, what=f"the gradient of {name}", n=100, eps=2.0**-20)


# ---- 1 Hounsfield units and voxels


def _window(stored: Tensor, slope: float, intercept: float, low: float, high: float) -> Tensor:
    return ((stored.double() * slope + intercept - low) / (high - low)).clamp(0, 1).float()


def _voxel(position: Sequence[float], origin: Sequence[float], spacing: Sequence[float]) -> tuple[int, ...]:
    """(x, y, z) to (x, y, z)."""
    return tuple(round((p - o) / s) for p, o, s in zip(position, origin, spacing, strict=True))


@check("attention_unet/geometry", points=3)
def geometry(student: Student, rng: np.random.Generator) -> None:
    """window(stored, slope, intercept, low, high) -> 0 to 1; voxel(position, origin, spacing), x y z -> (z, y, x)."""
    within = {"n": 100}

    def make(rng):
        slope, intercept = float(rng.choice([0.5, 0.75, 1.25, 1.5])), float(rng.integers(-1100, -900))
        hu = rng.uniform(-1250, 650, asking.sizes(rng, 3, 3, 6))
        stored = torch.from_numpy(np.round((hu - intercept) / slope)).to(torch.int16)
        return stored, slope, intercept, float(rng.integers(-900, -600)), float(rng.integers(100, 350))

    def answers(stored, slope, intercept, low, high):
        return {
            "right": _window(stored, slope, intercept, low, high),
            "hu-not-rescaled": _window(stored, 1.0, 0.0, low, high),
            "slope forgotten": _window(stored, 1.0, intercept, low, high),
            "intercept forgotten": _window(stored, slope, 0.0, low, high),
        }

    def mild(rng):
        """Nothing is beyond the window, nor as far as its ends; no number is below 0."""
        slope, intercept = float(rng.choice([0.5, 0.75, 1.25, 1.5])), float(rng.integers(10, 40))
        low, high = float(rng.integers(60, 120)), float(rng.integers(350, 500))
        hu = rng.uniform(low + 30, high - 60, asking.sizes(rng, 3, 3, 6))
        return torch.from_numpy(np.round((hu - intercept) / slope)).to(torch.int16), slope, intercept, low, high

    with case("stored numbers become HU, then 0 to 1", 1):
        for drawn in (make, make, mild):
            inputs, known = draw(rng, drawn, answers, **within)
            suspects = {"hu-not-rescaled": known["hu-not-rescaled"]}
            near(student.window(*inputs), known["right"], suspects=suspects, what="the window", **within)
        asking.unchanged(student, student.window, *inputs)

    def place(rng, side=1):
        spacing = [float(s) for s in rng.choice([0.5, 0.625, 0.75, 1.25, 1.5, 2.5, 3.0], 3, replace=False)]
        origin = [float(o) for o in rng.uniform(-250, 250, 3)]
        index = side * rng.choice(range(8, 60), 3, replace=False)
        off = rng.uniform(0.1, 0.4, 3) * rng.permutation([-1, 1, rng.choice([-1, 1])])
        return [float(o + (i + d) * s) for o, i, d, s in zip(origin, index, off, spacing, strict=True)], origin, spacing

    def voxels(position, origin, spacing):
        right, zero, one = _voxel(position, origin, spacing)[::-1], (0.0,) * 3, (1.0,) * 3
        distance = [(p - o) / s for p, o, s in zip(position, origin, spacing, strict=True)]
        return {
            "right": right,
            "xyz-for-zyx": Either([right[::-1], _voxel(position[::-1], origin[::-1], spacing),
                                   _voxel(position[::-1], origin, spacing[::-1])]),
            "mm-for-voxels": Either([_voxel(position, origin, one)[::-1],
                                     tuple(math.floor(p - o) for p, o in zip(position, origin, strict=True))[::-1]]),
            "origin forgotten": Either([_voxel(position, zero, spacing)[::-1], _voxel(position, zero, one)[::-1]]),
            "rounded down": Either([tuple(math.floor(d) for d in distance)[::-1],
                                    tuple(math.floor(d) for d in distance)]),
            "multiplied": tuple(round((p - o) * s) for p, o, s in zip(position, origin, spacing, strict=True))[::-1],
            "both": _voxel(position, origin, one),
        }  # fmt: skip

    with case("a position in millimetres, (x, y, z), becomes a voxel, (z, y, x)", 2):
        for side in (1, 1, 1, -1):
            inputs, known = draw(rng, lambda rng, side=side: place(rng, side), voxels)
            suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
            what = "the voxel (z, y, x)" + (" of a position before the origin" if side < 0 else "")
            got = near(_lists(student.voxel(*inputs)), known["right"], suspects=suspects, what=what)
            _whole(got, "a voxel's index")
        position, origin, spacing = place(rng)
        near(_lists(student.voxel(origin, origin, spacing)), (0, 0, 0), what="the voxel at the origin")


def _whole(numbers: Sequence, what: str) -> None:
    if not all(type(plain(i)) is int for i in numbers):
        raise Mismatch(f"{what} should hold integers, not floats: neither a tensor nor range() takes those")


def _lists(got: Any) -> Any:
    """Lists, in whatever a student holds them: an array of three numbers, a zip, a generator are right answers."""
    if isinstance(got, Ref):
        try:
            return [_lists(g) for g in got]
        except StudentError as error:
            if error.kind == "TypeError":  # it cannot be iterated
                return got
            raise
    if isinstance(got, np.ndarray | Tensor) and got.ndim and got.dtype not in (torch.bool, np.dtype(bool)):
        return got.tolist()
    if isinstance(got, list | tuple):
        return type(got)(map(_lists, got)) if type(got) in (list, tuple) else [_lists(g) for g in got]
    return got


# ---- 2 outlines


def _outline(rng: np.random.Generator, radius: float, shape: tuple[int, int],
             middle: tuple[float, float]) -> np.ndarray:  # fmt: skip
    """(n, 2) of x, y: the pixels of a closed outline in order, each a neighbour of the last; not convex."""
    for _ in range(500):
        angles = np.sort(rng.uniform(0, 2 * math.pi, 9)) + rng.uniform(0, 0.3)
        length = radius * rng.uniform(0.6, 1.25, 9)
        corners = np.stack([middle[1] + length * np.cos(angles), middle[0] + length * np.sin(angles)], 1)
        filled = np.zeros(shape, np.uint8)
        cv2.fillPoly(filled, [corners.round().astype(np.int32)], 1)
        found, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if len(found) != 1:
            continue
        points = found[0][:, 0].astype(np.int64)
        again, border = np.zeros(shape, np.uint8), np.zeros(shape, bool)
        cv2.fillPoly(again, [points.astype(np.int32)], 1)
        border[points[:, 1], points[:, 0]] = True
        inside = lidc.inside(points, shape)
        simple = len(np.unique(points, axis=0)) == len(points)
        if simple and inside.sum() > 3 and np.array_equal(inside, again.astype(bool) & ~border):
            points = points[:: rng.choice([-1, 1])]
            return np.roll(points, int(rng.integers(len(points))), 0).copy()
    raise RuntimeError("no outline in 500 draws has an inside that every way of filling agrees on")


@check("attention_unet/outline", points=3)
def outline(student: Student, rng: np.random.Generator) -> None:
    """inside(outline, shape) -> bool (rows, columns), the outline's own pixels left out; volume(mask, spacing), mm³."""

    def answers(points, shape):
        right, border = lidc.inside(points, shape), np.zeros(shape, bool)
        border[points[:, 1], points[:, 0]] = True
        turned = lidc.inside(points[:, ::-1], shape)
        return {"right": right, "border-filled": right | border, "xyz-for-zyx": turned, "outline": border}

    def make(radius):
        def inputs(rng):
            shape = tuple(asking.sizes(rng, 2, 18, 24))
            middle = rng.uniform(radius + 3, min(shape) - radius - 4, 2)
            return _outline(rng, radius, shape, tuple(middle)), shape

        return inputs

    with case("the pixels that an outline encloses, without its own", 1):
        for radius in (2.5, 3.5, 5.5):
            inputs, known = draw(rng, make(radius), answers)
            known.pop("outline")
            near(student.inside(*inputs), known.pop("right"), suspects=known, what="the mask")
        for margin in (1, 0):
            points, shape = _bay(rng, margin)
            right, border = lidc.inside(points, shape), np.zeros(shape, bool)
            border[points[:, 1], points[:, 0]] = True
            what = "the mask of an outline with a bay" + ("" if margin else " that opens at the picture's edge")
            near(student.inside(points, shape), right, suspects={"border-filled": right | border}, what=what)
        asking.unchanged(student, student.inside, *inputs)
    with case("outlines with no inside, and outlines that touch the picture's edge", 1):
        shape = tuple(asking.sizes(rng, 2, 9, 14))
        x, y = (int(i) for i in rng.integers(2, 5, 2))
        length = int(rng.integers(2, 5))
        nothing = np.zeros(shape, bool)
        line = np.array([[x + i, y] for i in [*range(length), *range(length - 2, 0, -1)]])
        for points in (np.array([[x, y]]), line):
            near(student.inside(points, shape), nothing, what="the mask of an outline with no inside")
        rows, columns = shape
        # A lozenge from edge to edge: four corners lie outside, and none is joined to another.
        half = int(rng.integers(2, min(shape) // 2))
        corners = np.array([[0, half], [half, 0], [columns - 1 - half, 0], [columns - 1, half],
                            [columns - 1, rows - 1 - half], [columns - 1 - half, rows - 1], [half, rows - 1],
                            [0, rows - 1 - half]])  # fmt: skip
        points = _walk(corners)
        near(student.inside(points, shape), lidc.inside(points, shape), what="the mask of an outline at the edges")
    with case("a volume in cubic millimetres", 1):

        def masks(rng):
            return torch.from_numpy(rng.random(asking.sizes(rng, 3)) < 0.4).numpy(), [
                float(s) for s in rng.choice([0.5, 0.625, 0.75, 1.25, 1.5, 2.5], 3, replace=False)
            ]

        def volumes(mask, spacing):
            n = float(mask.sum())
            return {"right": n * math.prod(spacing), "mm-for-voxels": n, "one axis": Either(n * s for s in spacing),
                    "area": Either(n * a * b for a, b in itertools.combinations(spacing, 2)),
                    "cube": Either(n * s**3 for s in spacing)}  # fmt: skip

        for _ in range(2):
            inputs, known = draw(rng, masks, volumes, n=9)
            suspects = {"mm-for-voxels": known["mm-for-voxels"]}
            near(student.volume(*inputs), known["right"], suspects=suspects, what="the volume", n=9)
        near(student.volume(np.zeros_like(inputs[0]), inputs[1]), 0.0, what="the volume of nothing")
        many = _many(rng).numpy()
        near(student.volume(many, inputs[1]), many.sum() * math.prod(inputs[1]), what="a large volume", n=9)


def _many(rng: np.random.Generator) -> Tensor:
    """Bool (z, y, x), an odd number above 70,000 of them True: half precision has no such number, nor 16 bits."""
    mask = torch.from_numpy(rng.random(asking.sizes(rng, 3, 43, 46)) < 0.97)
    mask[0, 0, 0] = False
    mask[0, 0, 0] = mask.sum() % 2 == 0
    return mask


def _bay(rng: np.random.Generator, margin: int) -> tuple[np.ndarray, tuple[int, int]]:
    """An outline with right angles, and its picture's shape: a block with a bay that is wider than its mouth, so that
    an outline lies on all four sides of the outside in it. margin: pixels left at least around the block."""
    a, b, c, d, width, lip, floor, height = (
        *np.cumsum([2, 1, 2, 1, 2] + rng.integers(0, 2, 5)), *np.cumsum([2, 2, 2] + rng.integers(0, 2, 3)))  # fmt: skip
    corners = np.array([(0, 0), (b, 0), (b, lip), (a, lip), (a, floor), (d, floor), (d, lip), (c, lip), (c, 0),
                        (width, 0), (width, height), (0, height)])  # fmt: skip
    if rng.random() < 0.5:
        corners[:, 1] = height - corners[:, 1]
    corners = corners[:, :: rng.choice([-1, 1])]
    before, after = margin * rng.integers(1, 4, (2, 2))
    columns, rows = corners.max(0) + 1 + before + after
    points = _walk(corners + before)[:: rng.choice([-1, 1])]
    return np.roll(points, int(rng.integers(len(points))), 0).copy(), (int(rows), int(columns))


def _walk(corners: np.ndarray) -> np.ndarray:
    """From corner to corner and back to the first, along rows, columns and diagonals, pixel by pixel."""
    points = []
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        steps = int(np.abs(b - a).max())
        points += [a + (b - a) * i // steps for i in range(steps)]
    return np.array(points)


# ---- 3 the split


@check("attention_unet/split", points=2)
def split(student: Student, rng: np.random.Generator) -> None:
    """split(patients, share, seed) -> (train, test), numbers of scans; each patient on one side."""
    count = int(rng.integers(20, 30))
    names = [f"P{n:04d}" for n in rng.choice(10**4, count, replace=False)]
    while True:
        tested = int(rng.integers(4, 9))
        share, more = ((tested + sign * float(rng.uniform(0.15, 0.35))) / count for sign in rng.permutation([-1, 1]))
        patients = [p for p in names for _ in range(int(rng.integers(1, 5)))]
        k, ordered = round(share * len(patients)), sorted(patients)
        # Of the sorted list, too, neither the first nor the last k scans are all of some patients.
        if k != tested and ordered[k - 1] == ordered[k] and ordered[-k] == ordered[-k - 1]:
            break
    patients = [patients[i] for i in rng.permutation(len(patients))]
    first = int(rng.integers(1, 10**4))
    seeds = [first, first + 1, first + 2, first + 3, 0]

    def ask(seed, share=share):
        got = near(_lists(student.split(list(patients), share, seed)), [ANY, ANY], what="(train, test)")
        train, test = (_numbers(part) for part in got)
        if train is None or test is None or sorted([*train, *test]) != list(range(len(patients))):
            raise Mismatch("train and test should hold the number of each scan exactly once, taken together")
        return train, test

    def on_both(train, test, patients=patients):
        return {patients[i] for i in train} & {patients[i] for i in test}

    def apart(parts):
        """Mismatch where a patient is on both sides of one of the splits."""
        if any(on_both(*part) for part in parts):
            if not any(on_both(*part, sorted(patients)) for part in parts):
                raise Mismatch("these are places in the sorted list of patients: scan i is of patients[i]")
            raise Mismatch("a patient has scans in train and in test", "split-by-scan")
        if any(part != sorted(part) for both in parts for part in both):
            raise Mismatch("the numbers in train and in test should ascend")

    with case("no patient is on both sides, and every scan is on one", 1):
        apart([*map(ask, seeds), ask(first, share=0.5)])
        asking.unchanged(student, student.split, list(patients), share, first)
    with case("the share is one of patients; a seed decides, and always in the same way", 1):
        parts = [ask(seed) for seed in seeds]
        apart(parts)
        what = "the number of patients in test"
        for _, test in parts:
            near(len({patients[i] for i in test}), tested, what=what)
        _, test = ask(first, more)  # of the two shares, one is rounded up and one down
        near(len({patients[i] for i in test}), tested, what=what)
        most = count - tested
        _, test = ask(first, (most + 0.2) / count)
        near(len({patients[i] for i in test}), most, what=what + " where most are tested")
        for seed, part in ((seeds[1], parts[1]), (0, parts[-1])):
            if ask(seed) != part:
                raise Mismatch("the same seed should give the same split again")
        of = [{patients[i] for i in test} for _, test in parts]
        if len({frozenset(test) for test in of}) < 3:
            raise Mismatch("another seed should give another split")
        if all(len(a & b) >= tested - 1 for a, b in itertools.pairwise(of[:-1])):
            raise Mismatch("the next seed exchanges one patient for another: the split should be drawn at random")
        again = [_elsewhere(student, patients, share, first, salt) for salt in (1, 2, 3)]
        # Where a student's own texts take the names' place, the two do not meet, and nothing can be told.
        tests = [{patients[i] for i in test} for train, test in filter(None, again) if not on_both(train, test)]
        if any(len(test) == tested and test != tests[0] for test in tests):
            raise Mismatch("in another process the same seed splits otherwise: a set's order and hash() change there")


def _elsewhere(student: Student, patients: Sequence[str], share: float, seed: int, salt: int) -> list | None:
    """The split where texts have other hashes, as in another process; None if that cannot be told."""
    try:
        got = student.define(ASKED).salted(student.split, list(patients), share, seed, salt)
        parts = [_numbers(part) for part in got]
    except (StudentError, TypeError, ValueError):
        return None
    whole = len(parts) == 2 and None not in parts and sorted([*parts[0], *parts[1]]) == list(range(len(patients)))
    return parts if whole else None


def _numbers(part: Any) -> list[int] | None:
    part = part.tolist() if isinstance(part, np.ndarray | Tensor) else part
    part = [plain(i) for i in part] if isinstance(part, list | tuple | set) else None
    return part if part is not None and all(type(i) is int for i in part) else None


# ---- 4 the gate


def _fit(x: Tensor, size: Sequence[int]) -> Tensor:
    return x if x.shape[2:] == torch.Size(size) else F.interpolate(x, size=tuple(size), mode="trilinear")


def _gate(x: Tensor, g: Tensor, stride: Any, weights: Sequence[Tensor], how: str = "right") -> tuple[Tensor, Tensor]:
    """As asked for, or with one mistake (`how`)."""
    theta, phi, phi_bias, psi, psi_bias = weights
    a, b = F.conv3d(x, theta, stride=stride), F.conv3d(g, phi, phi_bias)
    if how.startswith("raw"):
        a = x
    inner = a + _fit(b, a.shape[2:])
    if how == "x alone":
        inner = a
    inner = inner if how in ("no relu", "raw, no relu") else inner.relu()
    q = F.conv3d(inner, psi, psi_bias)
    alpha = q if how == "no sigmoid" else q.sigmoid()
    alpha = _fit(alpha, x.shape[2:])
    return alpha * x, alpha


@check("attention_unet/gate", points=4)
def gate(student: Student, rng: np.random.Generator) -> None:
    """gate(x, g, theta, phi, psi) -> (α · x, α): additive attention, whatever the sizes of x and g."""
    given = student.define(ASKED)
    within = {"n": 100, "eps": 2.0**-21}  # two interpolations and three convolutions
    wide = {**within, "eps": 2.0**-19}  # another order of the same sums, where they nearly cancel

    def make(stride=1, size=None, square=True, dtype=torch.float32, n=None):
        """size: None, g on θ(x)'s grid; "coarser" or "finer" than it; an axis along which it is finer. square: as many
        inner channels as x has."""

        def inputs(rng):
            N, C, G, inner = asking.sizes(rng, 4, 2, 6)
            N, inner = n or N, C if square else inner
            step = [stride] * 3 if isinstance(stride, int) else list(stride)
            shape = asking.sizes(rng, 3, 4, 7)
            grid = [(s - t) // t + 1 for s, t in zip(shape, step, strict=True)]
            coarse = {None: grid, "coarser": [max(1, s // 2) for s in grid], "finer": [s + 2 for s in grid]}.get(size)
            if coarse is None:  # along one axis alone
                coarse = [s + 2 if i == size else s for i, s in enumerate(grid)]
            x, g = asking.normal(rng, N, C, *shape), asking.normal(rng, N, G, *coarse)
            weights = [
                asking.normal(rng, inner, C, *step) / math.sqrt(C * math.prod(step)),
                asking.normal(rng, inner, G, 1, 1, 1) / math.sqrt(G),
                asking.normal(rng, inner),
                2 * asking.normal(rng, 1, inner, 1, 1, 1) / math.sqrt(inner),
                asking.normal(rng, 1),
            ]
            return x.to(dtype), g.to(dtype), stride, [w.to(dtype) for w in weights]

        return inputs

    def answers(x, g, stride, weights):
        known = {"right": _gate(x, g, stride, weights), "no-relu": _gate(x, g, stride, weights, "no relu")}
        for how in ("no sigmoid", "x alone"):
            known[how] = _gate(x, g, stride, weights, how)
        if weights[0].shape[0] == x.shape[1]:
            known["x-not-projected"] = Either(_gate(x, g, stride, weights, how) for how in ("raw", "raw, no relu"))
        return known

    def ask(function=None, **how):
        (x, g, stride, weights), known = draw(rng, make(**how), answers, **within)
        suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
        convs = given.convolutions(stride, *weights)
        try:
            got = student.gate(x, g, *convs)
        except NotWritten as error:
            if not str(error).removeprefix("NotImplementedError").strip(": "):
                raise
            raise Mismatch("a function that the gate calls raised NotImplementedError: it takes no volumes") from None
        near(got, known["right"], suspects=suspects, what="(α · x, α)", **wide)
        return x, g, convs

    with case("x and g of one size: θ and φ, their sum, ReLU, ψ, sigmoid", 1):
        ask()
        ask(square=False)
        ask(square=False, dtype=torch.float64)
        x, g, convs = ask(n=1)
        asking.unchanged(student, given.filled(student.gate, 2, *convs), x, g)
    with case("g of any other size", 2):
        ask(n=1)  # what is wrong at one size has nothing to do with sizes
        for how in (
            {"stride": 2},
            {"stride": (1, 2, 2)},
            {"stride": 2, "size": "coarser"},
            {"stride": (1, 2, 2), "size": "finer", "square": False},
            {"size": "coarser", "square": False},
            *({"stride": tuple(1 + (i == axis) for i in range(3)), "size": (axis + 1) % 3} for axis in range(3)),
        ):
            try:
                ask(**how)
            except StudentError as error:
                if error.kind not in ("RuntimeError", "ValueError"):
                    raise
                raise Mismatch("the gate fails where x and g differ in size", "sizes-must-match") from None
    with case("its gradients reach x and g, and the weights of θ, φ and ψ", 1):
        x, g, stride, weights = make(stride=2, square=False)(rng)
        convs = given.convolutions(stride, *weights)
        names = "θ's weight", "φ's weight", "φ's bias", "ψ's weight", "ψ's bias"
        right = lambda x, g, *weights: _gate(x, g, stride, weights)[0]  # noqa: E731
        _gradients(student, student.gate, right, {"x": x, "g": g}, convs,
                   asking.normal(rng, *x.shape), parameters=dict(zip(names, weights, strict=True)))  # fmt: skip


# ---- 5 Dice


def _dice_scores(a: Tensor, b: Tensor, empty: float = 1.0) -> Tensor:
    both, size = (a & b).flatten(1).sum(1), a.flatten(1).sum(1) + b.flatten(1).sum(1)
    return torch.where(size == 0, torch.tensor(empty), 2 * both / size.clamp(min=1))


def _dice_loss(logits: Tensor, target: Tensor, smooth: float, how: str = "right") -> Tensor:
    p, t = logits.sigmoid().flatten(1), target.flatten(1).to(logits.dtype)
    both, each = (p * t).sum(1), p.sum(1) + t.sum(1)
    above, below = 2 * both + smooth, each + smooth
    match how:
        case "no smooth":
            above, below = 2 * both, each
        case "smooth below":
            above = 2 * both
        case "smooth above":
            below = each
        case "squares":
            below = (p**2).sum(1) + (t**2).sum(1) + smooth
        case "pooled":
            return 1 - (2 * both.sum() + smooth) / (each.sum() + smooth)
        case "half":
            above = both + smooth
        case "overlap over union":
            above, below = both + smooth, each - both + smooth
        case "no sigmoid":
            p = logits.flatten(1)
            above, below = 2 * (p * t).sum(1) + smooth, p.sum(1) + t.sum(1) + smooth
    return (1 - above / below).mean()


POOLED = "The lecture recommends that for a loss; it differs from this specification: here each volume has its own."


def _is(got: Any, answer: Any, n: int = 1, eps: float | None = None) -> bool:
    return difference(got, answer, "", n, eps, True) is None


@check("attention_unet/dice", points=3)
def dice(student: Student, rng: np.random.Generator) -> None:
    """dice_scores(predicted, target) -> (N,); dice_loss(logits, target, smooth) -> the mean over volumes."""
    within = {"n": 100}

    def masks(rng, n=None):
        N, *shape = asking.sizes(rng, 4, 3, 6)
        a, b = (torch.from_numpy(rng.random((n or N, *shape)) < rng.uniform(0.2, 0.5)) for _ in "ab")
        a[:, 0, 0, 0] = b[:, 0, 0, 0] = True
        return a, b

    with case("Dice of each volume of a batch", 1):
        predicted, target = masks(rng)
        predicted[1] = target[1]
        predicted[2] = ~target[2]
        got, right = student.dice_scores(predicted, target), _dice_scores(predicted, target)
        pooled = _dice_scores(predicted.flatten()[None], target.flatten()[None])
        if any(_is(got, answer, **within) for answer in (pooled, pooled[0], pooled.expand(len(target)))):
            raise Mismatch("one Dice for the whole batch was given. " + POOLED)
        near(got, right, what="the tensor of scores", **within)
        many = torch.stack([_many(rng)])
        part = many & (torch.from_numpy(rng.random(many.shape)) < 0.96)
        near(student.dice_scores(part, many), _dice_scores(part, many), what="the score of a large volume", **within)
        one = masks(rng, n=1)
        near(student.dice_scores(*one), _dice_scores(*one), what="the score of a single volume", **within)
        asking.unchanged(student, student.dice_scores, predicted, target)

    def make(dtype=torch.float32, n=None):
        def inputs(rng):
            _, target = masks(rng, n)
            target[0, 1:] = False  # volumes differ in how much they hold
            return (2 * asking.normal(rng, *target.shape)).to(dtype), target, float(rng.uniform(0.5, 4))

        return inputs

    def named(logits, target, smooth):
        return {
            "empty-mask": _dice_loss(logits, target, smooth, "no smooth"),
            "smooth-on-one-side": Either(
                _dice_loss(logits, target, smooth, how) for how in ("smooth above", "smooth below")
            ),
        }

    def answers(logits, target, smooth):
        hows = ("squares", "half", "overlap over union", "no sigmoid")
        if len(logits) > 1:
            hows = (*hows, "pooled")
        nameless = {how: _dice_loss(logits, target, smooth, how) for how in hows}
        return {"right": _dice_loss(logits, target, smooth), **named(logits, target, smooth), **nameless}

    def ask(**how):
        inputs, known = draw(rng, make(**how), answers, **within)
        suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
        got = student.dice_loss(*inputs)
        if "pooled" in known and _is(got, known["pooled"], **within):
            raise Mismatch("the loss is that of the whole batch. " + POOLED)
        near(got, known["right"], suspects=suspects, what="the loss", **within)
        return inputs

    with case("the loss, and its gradients", 1):
        ask()
        ask(dtype=torch.float64)
        asking.unchanged(student, student.dice_loss, *ask(n=1))
        logits, target, smooth = make()(rng)
        one = torch.ones(())
        _gradients(student, student.dice_loss, _dice_loss, {"logits": logits}, [target, smooth], one)
        # So sure that exp(-logits) or exp(logits) is infinite in single precision.
        sure = torch.from_numpy(rng.permuted(np.resize([-100.0, 100.0, *[0.0] * 4], logits.shape).flatten()))
        logits = logits + sure.reshape(logits.shape).float()
        loss = _dice_loss(logits, target, smooth)
        near(student.dice_loss(logits, target, smooth), loss, what="the loss of logits of ±100", **within)
        _gradients(student, student.dice_loss, _dice_loss, {"logits of ±100": logits}, [target, smooth], one)
        target = torch.stack([_many(rng)])
        logits = 0.5 + asking.normal(rng, *target.shape)
        loss = _dice_loss(logits, target, smooth)
        near(student.dice_loss(logits, target, smooth), loss, what="the loss of a large volume", **within)
    with case("volumes with nothing to find", 1):
        predicted, target = masks(rng, n=5)
        predicted[1], target[1] = False, False
        predicted[2], target[3] = False, False
        right = _dice_scores(predicted, target)
        suspects = {"empty-mask": Either(_dice_scores(predicted, target, e) for e in (math.nan, 0.0))}
        got = student.dice_scores(predicted, target)
        near(got, right, suspects=suspects, what="the tensor of scores", **within)
        nothing = torch.zeros_like(target)
        got = student.dice_scores(nothing, nothing)
        near(got, torch.ones(5), what="the tensor of empty masks' scores", **within)
        logits, target, smooth = make()(rng)
        target[1] = False
        for loud in (True, False):
            if not loud:
                logits, target = torch.full_like(logits, -200.0), torch.zeros_like(target)
            got = student.dice_loss(logits, target, smooth)
            want = _dice_loss(logits, target, smooth)
            near(got, want, suspects=named(logits, target, smooth), what="the loss where a mask is empty", **within)
        logits, one = asking.normal(rng, *logits.shape), torch.ones(())
        _gradients(student, student.dice_loss, _dice_loss, {"logits": logits}, [target, smooth], one)


# ---- 6 the sliding window


def _missed(length: int, size: int, step: int) -> list[int]:
    return list(range(0, length - size + 1, step))


def _slide(volume: Tensor, predict: Callable, weight: Tensor, step: Sequence[int], how: str = "right",
           starts: Callable | None = None) -> Tensor:  # fmt: skip
    starts = starts or _asked["starts"]
    total, weights, last = (torch.zeros_like(volume) for _ in "abc")
    plain, count = torch.zeros_like(volume), torch.zeros_like(volume)
    for corner in itertools.product(*map(starts, volume.shape, weight.shape, step)):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape, strict=True))
        found = predict(volume[box])
        total[box] += weight * found
        weights[box] += weight
        plain[box] += found
        count[box] += 1
        last[box] = found
    return {
        "right": total / weights,
        "zeros": torch.where(weights > 0, total / weights, 0.0),
        "weighted sum": total,
        "sum": plain,
        "mean": plain / count,
        "sum over weights": plain / weights,
        "mean of weighted": total / count,
        "last": last,
    }[how]


@check("attention_unet/sliding", points=4)
def sliding(student: Student, rng: np.random.Generator) -> None:
    """starts(length, size, step) -> where windows begin; sliding_window(volume, predict, weight, step)."""
    given = student.define(ASKED)
    within = {"n": 100, "eps": 2.0**-21}

    def axis(fits):
        def inputs(rng):
            size = int(rng.integers(4, 9))
            step = int(rng.integers(2, size))
            rest = 0 if fits else int(rng.integers(1, step))
            return size + int(rng.integers(3, 6)) * step + rest, size, step

        return inputs

    def begins(fits):
        def answers(length, size, step):
            known = {"right": _asked["starts"](length, size, step)}
            beyond = list(range(0, length, step))
            known["last-window-missed"] = list(range(0, length - size, step)) if fits else _missed(length, size, step)
            known["beyond"] = beyond
            if not fits:
                known["last not moved back"] = list(range(0, length - size + step, step))
            return known

        return answers

    with case("where windows begin along an axis", 1):
        for fits in (False, True, False):
            inputs, known = draw(rng, axis(fits), begins(fits))
            suspects = {"last-window-missed": known["last-window-missed"]}
            got = near(_lists(student.starts(*inputs)), known["right"], suspects=suspects, what="the list of starts")
            _whole(got, "the list of starts")
        size = int(rng.integers(4, 9))
        got = _lists(student.starts(size, size, 2))
        near(got, [0], what="the list of starts where one window is the whole length")
        step = int(rng.integers(2, size))
        got = _lists(student.starts(size + 2 * step - 1, size, step))
        near(got, [0, step, 2 * step - 1], what="the list of starts where a voxel is missing for a whole step")
        got = _lists(student.starts(size + 1, size, size))
        near(got, [0, 1], what="the list of starts where the second is one further on")

    def make(shape_of="uneven", dtype=torch.float32, light=False):
        """light: weights as a Gaussian has them, down to 1e-8."""

        def inputs(rng):
            size = asking.sizes(rng, 3, 3, 6)
            step = [int(rng.integers(1, s)) if s < 4 else int(rng.integers(2, s)) for s in size]
            step = size if shape_of == "tiles" else step
            more = [int(rng.integers(1, 3)) * t for t in step]
            if shape_of == "uneven":
                more = [m + int(rng.integers(1, t)) if t > 1 else m for m, t in zip(more, step, strict=True)]
            elif shape_of == "whole":
                more = [0, 0, 0]
            weight = torch.from_numpy(10.0 ** rng.uniform(-8, 0, size) if light else 0.05 + rng.random(size)).to(dtype)
            ramp = 10 * asking.normal(rng, *size).to(dtype)
            volume = asking.normal(rng, *(s + m for s, m in zip(size, more, strict=True))).to(dtype)
            return volume, float(rng.uniform(0.5, 1.5)), ramp, weight, step

        return inputs

    def answers(shape_of):
        def known_of(volume, scale, ramp, weight, step):
            predict = _asked["predictor"](scale, ramp)
            known = {"right": _slide(volume, predict, weight, step)}
            if shape_of == "whole":
                return known
            if shape_of == "tiles":
                return known | {"overlap-summed": _slide(volume, predict, weight, step, "weighted sum")}
            for how in ("sum over weights", "mean of weighted", "last"):
                known[how] = _slide(volume, predict, weight, step, how)
            known["overlap-summed"] = Either(_slide(volume, predict, weight, step, h) for h in ("sum", "weighted sum"))
            known["weights-ignored"] = _slide(volume, predict, weight, step, "mean")
            if shape_of == "uneven":
                known["last-window-missed"] = Either(
                    _slide(volume, predict, weight, step, h, _missed) for h in ("right", "zeros")
                )
            return known

        return known_of

    def ask(shape_of, **how):
        (volume, scale, ramp, weight, step), known = draw(rng, make(shape_of, **how), answers(shape_of), **within)
        suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
        predict = given.predictor(scale, ramp)
        with student.given(starts=given.starts):
            got = student.sliding_window(volume, predict, weight, step)
        got = torch.from_numpy(got) if isinstance(got, np.ndarray) and got.dtype.kind == "f" else got
        if isinstance(got, Tensor) and got.dtype in (torch.float32, torch.float64):
            got = got.to(volume.dtype)  # either is precise enough
        near(got, known["right"], suspects=suspects, what="the blended volume", **within)
        return volume, predict, weight, step

    with case("overlapping windows, blended by their weights", 2):
        ask("uneven")
        ask("even")
        ask("uneven", dtype=torch.float64)
        ask("uneven", light=True)
        volume, predict, weight, step = ask("uneven")
        with student.given(starts=given.starts):
            for said in (predict, given.same):
                asking.unchanged(student, given.filled(student.sliding_window, 1, said), volume, weight, step)
    with case("one window alone, and windows side by side", 1):
        ask("whole")
        ask("tiles")


# ---- 7 from voxels to nodules

NOTHING = -math.inf


def _blobs(rng: np.random.Generator) -> tuple[np.ndarray, float, list[float]]:
    """Probabilities (z, y, x) in which 4 or 5 blobs stand apart, a threshold, and the spacing."""
    cells = [int(n) for n in rng.choice([2, 3], 3)]
    cells[int(rng.integers(3))] = 2
    threshold = float(rng.choice([0.25, 0.5, 0.375]))
    shape = [5 * c + int(extra) for c, extra in zip(cells, rng.permutation([0, 1, 2]), strict=True)]
    p = rng.uniform(0, 0.9 * threshold, shape).astype(np.float32)
    places = rng.permutation(list(itertools.product(*map(range, cells))))[: int(rng.integers(4, 6))]
    for place in places:
        size = rng.permutation([2, 3, rng.integers(2, 4)])
        corner = 5 * place + [int(rng.integers(0, 5 - s)) for s in size]  # a voxel of each cell stays free
        box = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
        p[box] = rng.uniform(threshold + 0.05, 0.99, size)
        p[tuple(corner)] = 0.5 * threshold  # a corner less: the middle of the box is not the mean
    away = np.argwhere(p < threshold)
    p[tuple(away[rng.integers(len(away))])] = threshold  # not above it
    spacing = [float(s) for s in rng.choice([0.5, 0.75, 1.25, 1.75, 2.5], 3, replace=False)]
    return p, threshold, spacing


def _many_blobs(rng: np.random.Generator) -> tuple[np.ndarray, float, list[float]]:
    """As `_blobs`: some twenty, most of one voxel, also in the first and the last corner, two of which share an edge
    alone and two a corner alone; and a large one with a hole."""
    threshold = float(rng.choice([0.25, 0.5, 0.375]))
    p = rng.uniform(0, 0.9 * threshold, (9, 10, 11))
    above = np.zeros(p.shape, bool)
    above[3:6, 3:6, 3:7] = True
    above[4, 4, 4] = False
    for voxel in ((0, 0, 0), (1, 1, 0), (-1, -1, -1), (-2, -2, -2)):
        above[voxel] = True
    above[0, 2::2, 3::2] = True
    p[above] = rng.permutation(np.linspace(threshold + 0.05, 0.99, above.sum()))
    p = p.transpose(rng.permutation(3)).copy()
    spacing = [float(s) for s in rng.choice([0.5, 0.75, 1.25, 1.75, 2.5], 3, replace=False)]
    return p.astype(np.float32), threshold, spacing


def _components(p: np.ndarray, threshold: float, shared: int = 1) -> list[np.ndarray]:
    """shared: what connected voxels have in common at least, 1 a side, 2 an edge, 3 a corner."""
    labels, count = ndimage.label(p > threshold, ndimage.generate_binary_structure(3, shared))
    return [np.argwhere(labels == k) for k in range(1, count + 1)]


def _found(p: np.ndarray, threshold: float, spacing: Sequence[float], how: str = "right") -> list[tuple]:
    parts = _components(p, threshold, {"edges": 2, "corners": 3}.get(how, 1))
    if how == "voxels":
        parts = [v[None] for part in parts for v in part]
    found = []
    for part in parts:
        values = p[tuple(part.T)]
        middles = {"box": (part.min(0) + part.max(0)) / 2, "weighted": np.average(part, 0, values)}
        middle = middles.get(how, part.mean(0))
        score = {"mean": values.mean(), "sum": values.sum(), "size": len(part)}.get(how, values.max())
        match how:
            case "in voxels":
                centre = middle
            case "reversed":
                centre = (middle * spacing)[::-1]
            case "spacing reversed":
                centre = middle * spacing[::-1]
            case "index reversed":
                centre = middle[::-1] * spacing
            case _:
                centre = middle * spacing
        found.append((tuple(map(float, centre)), float(score)))
    return found if how == "unsorted" else sorted(found, key=lambda c: -c[1])


def _compare(got: Any, want: Sequence[tuple], suspects: Mapping[str, Any], within: Mapping[str, Any]) -> None:
    """Candidates against those wanted: how many, then their scores, then the order, then where they are."""
    near(got, [ANY] * len(want), what="the list of candidates")
    got = [near(candidate, [ANY, ANY], what="a candidate (centre, score)") for candidate in got]
    scores = [plain(score) for _, score in got]
    if all(type(score) in (int, float) for score in scores):
        best_first = sorted(scores, reverse=True)
        near(best_first, [score for _, score in want], what="the scores, sorted,", **within)
        if scores != best_first:
            raise Mismatch("the order is wrong: the candidate with the best score comes first")
    near(got, want, suspects=suspects, what="the list of candidates", **within)


def _match(candidates: Sequence, findings: Sequence, how: str = "right") -> tuple[list[float], list[float]]:
    hits, touched, second = [], set(), []
    for centre, diameter, relevant in findings:
        limit = diameter if how == "diameter" else diameter / 2
        inside = [i for i, (c, _) in enumerate(candidates) if math.dist(c, centre) < limit]
        if relevant or how != "irrelevant false":
            touched.update(inside)
        if relevant or how == "irrelevant hits":
            scores = [candidates[i][1] for i in inside]
            best = max(scores, default=NOTHING)
            second += [s for s in scores if s != best]
            match how:
                case "each hit":
                    hits += scores or [NOTHING]
                case "each hit, missed left out":
                    hits += scores
                case "first":
                    hits.append(scores[0] if scores else NOTHING)
                case "last":
                    hits.append(scores[-1] if scores else NOTHING)
                case "missed left out":
                    hits += [best] if scores else []
                case _:
                    hits.append(best)
    if how == "by candidate":
        near_one = [any(r and math.dist(c, f) < d / 2 for f, d, r in findings) for c, _ in candidates]
        hits = [s for (_, s), inside in zip(candidates, near_one, strict=True) if inside]
    false = [s for i, (_, s) in enumerate(candidates) if i not in touched]
    return hits, sorted(false + second if how == "second false" else false)


def _scene(rng: np.random.Generator) -> tuple[list[tuple], list[tuple]]:
    """Candidates and findings of one case. Candidates lie well within a finding or well out of it, but for one that is
    exactly a radius away from a centre: that is no hit."""
    places = np.array(list(itertools.product(range(2), range(2), range(3))), float) * 64 + 32
    places = [tuple(float(v) for v in place + rng.integers(-8, 9, 3)) for place in rng.permutation(places)]
    scores = iter((rng.permutation(np.arange(-30, 31)) / 64).tolist())
    findings, found = [], []

    def near_to(centre, diameter, low, high, direction=None):
        direction = rng.standard_normal(3) if direction is None else np.array(direction)
        direction *= rng.uniform(low, high) * diameter / 2 / np.linalg.norm(direction)
        found.append((tuple(map(float, np.add(centre, direction))), next(scores)))
        return found[-1][1]

    # how many hit it, how many just do not, whether it counts
    for (hit, beside, relevant), place in zip(
        ((3, 1, True), (1, 0, True), (0, 1, True), (2, 1, False), (0, 0, True), (2, 0, True), (1, 0, False)), places,
        strict=False,
    ):  # fmt: skip
        diameter = 2.0 * int(rng.integers(3, 11))
        findings.append((place, diameter, relevant))
        for _ in range(hit):
            score = near_to(place, diameter, 0.3, 0.9)
        for _ in range(beside):
            near_to(place, diameter, 1.15, 1.8)
    # An irrelevant finding within a relevant one: what hits both is a hit of the relevant one.
    place, diameter = places[7], 16.0
    both = [(place, diameter, True), (tuple(np.add(place, 1.0).tolist()), diameter, False)]
    near_to(place, 2.0, 0.1, 0.9)
    findings += both if rng.random() < 0.5 else both[::-1]
    # Outside of the ball, but not of its box; and outside along the slices alone.
    for (place, diameter, _), direction in zip(findings[:2], ((1.0, -1.0, 1.0), (1.0, 0.1, 0.1)), strict=True):
        near_to(place, diameter, 1.1, 1.4, direction)
    # A radius that is no whole number: a hit is beyond the next smaller one, a miss within the next larger one.
    whole, part = int(rng.integers(3, 9)), float(rng.choice([0.25, 0.5, 0.75]))
    radius = whole + part
    findings.append((places[8], 2 * radius, True))
    for distance in (whole + part / 2, (radius + whole + 1) / 2):
        near_to(places[8], 2.0, distance, distance)
    # One candidate hits two relevant findings.
    beside = tuple(np.add(places[11], rng.permutation([4.0, 0.0, 0.0])).tolist())
    findings += [(places[11], 16.0, True), (beside, 18.0, True)]
    near_to(places[11], 2.0, 0.1, 0.9)
    found.append((places[9], score))  # a false positive with the score of a hit
    edge, diameter = places[10], 2.0 * int(rng.integers(3, 11))
    findings.append((edge, diameter, True))
    away = [0.0, 0.0, 0.0]
    away[int(rng.integers(3))] = diameter / 2
    found.append((tuple(np.add(edge, away).tolist()), next(scores)))
    return [found[i] for i in rng.permutation(len(found))], [findings[i] for i in rng.permutation(len(findings))]


def _sensitivity(hits: Sequence[float], false: Sequence[float], scans: int, rate: float, how: str = "right") -> float:
    h, f = np.array(hits), np.array(false)
    if how == "ties apart":
        options = [(np.mean(h >= t), (f > t).sum() / scans) for t in h[h > NOTHING]]
    elif how == "above a hit":
        options = [(np.mean(h > t), (f >= t).sum() / scans) for t in h[h > NOTHING]]
    elif how == "above":
        options = [(np.mean(h > t), (f > t).sum() / scans) for t in [*h[h > NOTHING], *f]]
    else:
        options = [(np.mean(h >= t), (f >= t).sum() / scans) for t in [*h[h > NOTHING], *f]]
    if how == "interpolated":
        options = sorted([(0.0, 0.0), *options], key=lambda o: (o[1], o[0]))
        return float(np.interp(rate, [o[1] for o in options], [o[0] for o in options]))
    return float(max((s for s, r in options if (r < rate if how == "less" else r <= rate)), default=0.0))


@check("attention_unet/nodules", points=6)
def nodules(student: Student, rng: np.random.Generator) -> None:
    """find_nodules(probability, threshold, spacing); match(candidates, findings); sensitivity(hits, false, …)."""
    within = {"n": 100, "eps": 2.0**-22}

    def found(p, threshold, spacing):
        hows = ("box", "weighted", "mean", "sum", "size", "unsorted", "index reversed")
        known = {how: _found(p, threshold, spacing, how) for how in hows}
        return {
            "right": _found(p, threshold, spacing),
            "mm-for-voxels": _found(p, threshold, spacing, "in voxels"),
            "xyz-for-zyx": Either(_found(p, threshold, spacing, how) for how in ("reversed", "spacing reversed")),
            **known,
        }

    with case("connected voxels are one candidate: its centre in mm and its highest probability", 2):
        for _ in range(2):
            inputs, known = draw(rng, _blobs, found, **within)
            suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
            got = _lists(student.find_nodules(*inputs))
            # One by one, in whatever order and however they are placed: it is their number that tells.
            if isinstance(got, list | tuple) and len(got) == (inputs[0] > inputs[1]).sum():
                raise Mismatch("there are as many candidates as voxels above the threshold", "voxels-for-nodules")
            _compare(got, known["right"], suspects, within)
        asking.unchanged(student, student.find_nodules, *inputs)
        p, threshold, spacing = inputs = _many_blobs(rng)
        got = _lists(student.find_nodules(*inputs))
        if any(isinstance(got, list | tuple) and len(got) == len(_found(*inputs, how)) for how in ("edges", "corners")):
            raise Mismatch("voxels that have an edge or a corner alone in common are one candidate: they share no side")
        _compare(got, _found(*inputs), {}, within)
        near(_lists(student.find_nodules(p, 1.0, spacing)), [], what="the list of candidates where nothing is above")

    def matched(candidates, findings):
        hows = ("diameter", "irrelevant hits", "first", "last", "missed left out", "second false")
        return {
            "right": _match(candidates, findings),
            "nodule-counted-twice": Either(
                _match(candidates, findings, h) for h in ("each hit", "each hit, missed left out", "by candidate")
            ),
            "irrelevant-as-false": _match(candidates, findings, "irrelevant false"),
            **{how: _match(candidates, findings, how) for how in hows},
        }

    with case("which findings are hit, and which candidates are false positives", 2):
        for _ in range(2):
            inputs, known = draw(rng, _scene, matched)
            suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
            got = _sorted_false(student.match(*inputs))
            try:
                near(got, known["right"], suspects=suspects, what="(hits, false)")
            except Mismatch as error:
                raise Mismatch(f"{error}{_where(got, known['right'], *inputs)}", error.misconception) from None
        candidates, findings = inputs
        irrelevant = [finding for finding in findings if not finding[2]]
        got = _sorted_false(student.match(candidates, irrelevant))
        near(got, _match(candidates, irrelevant), what="(hits, false) where no finding is relevant")
        asking.unchanged(student, student.match, *inputs)
        want = [NOTHING] * sum(relevant for _, _, relevant in findings), []
        near(_sorted_false(student.match([], findings)), want, what="(hits, false) of no candidates")
        want = [], sorted(score for _, score in candidates)
        near(_sorted_false(student.match(candidates, [])), want, what="(hits, false) where there are no findings")

    def curve(ties):
        def inputs(rng):
            scans, n, m = int(rng.integers(3, 8)), int(rng.integers(11, 18)), int(rng.integers(30, 50))
            grid = rng.integers(1, 20, n + m) if ties else rng.permutation(np.arange(1, 200))[: n + m]
            scores = (grid / 256).tolist()
            hits = [s + (0 if ties else 0.25 * (rng.random() < 0.5)) for s in scores[:n]]
            for i in rng.choice(n, 3, replace=False):
                hits[i] = NOTHING
            return hits, scores[n:], scans, (int(rng.integers(3, 16)) + 0.5) / scans

        return inputs

    def sensitivities(ties):
        def answers(hits, false, scans, rate):
            detected = [h for h in hits if h > NOTHING]
            known = {
                "right": _sensitivity(hits, false, scans, rate),
                "missed-left-out": _sensitivity(detected, false, scans, rate),
                "false-in-total": _sensitivity(hits, false, 1, rate),
                "constants": Either([0.0, 0.5, 1.0]),  # have no name, and must not look like one that has
                "above a hit": _sensitivity(hits, false, scans, rate, "above a hit"),
            }
            if ties:
                known |= {how: _sensitivity(hits, false, scans, rate, how) for how in ("ties apart", "interpolated")}
            return known

        return answers

    with case("sensitivity at a number of false positives per scan", 2):
        for ties in (False, True, False):
            inputs, known = draw(rng, curve(ties), sensitivities(ties), n=9)
            suspects = {k: v for k, v in known.items() if k in MISCONCEPTIONS}
            got = student.sensitivity(*inputs)
            if ties and _is(got, known["interpolated"], n=9):
                raise Mismatch("the curve was read between two thresholds, as the lecture does. It differs from this "
                               "specification: here a threshold has to reach the sensitivity")  # fmt: skip
            near(got, known["right"], suspects=suspects, what="the sensitivity", n=9)
        asking.unchanged(student, student.sensitivity, *inputs)
        hits, false, scans, _ = inputs
        # Exactly as many as allowed, and one less than that.
        false = sorted(false)[-8:]
        top = [f + 1 / 512 for f in false]  # each false positive has a hit right above it
        for rate in (0.5, 1.0):
            got = student.sensitivity([*top, NOTHING], false, 4, rate)
            near(got, _sensitivity([*top, NOTHING], false, 4, rate), what="the sensitivity at the very rate", n=9)
        best = [max(false) + 0.25]
        near(student.sensitivity([NOTHING], false, scans, 1.0), 0.0, what="the sensitivity where none is found")
        near(student.sensitivity([*best, NOTHING], [], scans, 1.0), 0.5, what="the sensitivity without false positives")
        low = [min(false) - 1 / 512]
        near(student.sensitivity(low, false, 1, 0.5), 0.0, what="the sensitivity where false positives come first")
        # Logits, of which the next hit is a millionth away.
        close = [float(s) for s in (*rng.uniform(0.5, 3, 2), *rng.uniform(-3, -0.5, 3))]
        close = [s + 2e-6 for s in close] + [NOTHING], [s + 1e-6 for s in close], 2
        for rate in (0.0, 1.0):
            got = student.sensitivity(*close, rate)
            near(got, _sensitivity(*close, rate), what=f"the sensitivity of logits at a rate of {rate:g}", n=9)
        got = student.sensitivity([*hits], false, 1, 1000.0)
        near(got, sum(h > NOTHING for h in hits) / len(hits), what="the sensitivity at a rate without limit", n=9)


def _sorted_false(got: Any) -> Any:
    """(hits, false) with the false positives in order: theirs is free."""
    hits, false = near(_lists(got), [ANY, ANY], what="(hits, false)")
    if isinstance(false, list | tuple):
        numbers = [plain(s) for s in false]
        if all(type(s) in (int, float) for s in numbers):
            return hits, sorted(numbers)
    return hits, false


def _where(got: Any, want: tuple, candidates: Sequence, findings: Sequence) -> str:
    """How far apart the candidate and the finding are that a wrong match of theirs is about."""
    relevant = [finding for finding in findings if finding[2]]
    if _is(got[0], want[0]):
        mine = [s for s in got[1] if type(s) in (int, float)] if isinstance(got[1], list) else []
        about = [c for c in candidates if (c[1] in mine) != (c[1] in want[1])]
        if not about:
            return ""
        (centre, _), whose = about[0], "the nearest finding"
        found, diameter, _ = min(findings, key=lambda f: math.dist(centre, f[0]))
    else:
        if not isinstance(got[0], list | tuple) or len(got[0]) != len(relevant):
            return ""
        i = next(i for i, pair in enumerate(zip(got[0], want[0], strict=True)) if not _is(*pair))
        whose, (found, diameter, _) = f"relevant finding {i}", relevant[i]
        centre = min((c for c, _ in candidates), key=lambda c: math.dist(c, found))
    distance = show_value(math.dist(centre, found))
    return (f"\nThere a candidate is {distance} mm away from the centre of {whose}, whose radius is "
            f"{show_value(diameter / 2)} mm.")  # fmt: skip
