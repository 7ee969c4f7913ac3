"""What lab 3.1 asks: transforms that change something, a pipeline that keeps picture and mask together, a split that
respects neighbours, an ablation paired over seeds, a threshold that proves a recall, what a test then says, and how
sure that is.

No picture of a solar cell and no training is needed: pictures are small patterns on which each mistake shows. What is
drawn at random by the student's own transforms is judged by shares and spreads, with limits of at least five standard
deviations.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor

from quintet.checks import Either, Misconception, Mismatch, asking, case, check, draw, near, show_value
from quintet.checks.near import ANY, plain
from quintet.student import Student

LECTURE = "lecture 3.1 defects, section "
PIPELINE = LECTURE + "3 Picture and mask together"
STRENGTH = LECTURE + "4 Transforms that change something"
SPLIT = LECTURE + "5 A split without siblings"
LABELS = LECTURE + "2 Labels that are not sure, classes that are not equal"
THRESHOLD = LECTURE + "7 A threshold that proves something"
INTERVAL = LECTURE + "8 How sure?"
PREVALENCE = LECTURE + "9 Another line"
BUGS = LECTURE + "11 Spot the bug"
ABLATION = LECTURE + "6 Transfer, and does augmentation help?"

MISCONCEPTIONS = {
    "elastic-too-weak": Misconception(
        "the elastic transform moves hardly anything: alpha is not a number of pixels",
        "alpha multiplies noise that a Gaussian has smoothed, and smoothing leaves 1 / (2σ√π) of its spread. With "
        "alpha = 30 and sigma = 5 a pixel moves by less than one. Compute alpha from the displacement that you want.",
        STRENGTH,
    ),
    "hue-on-grey": Misconception(
        "hue and saturation were shifted, and a grey picture has none",
        "Its saturation is 0, so that only the value (brightness) could act, and that was not shifted: every picture "
        "comes out as it went in.",
        STRENGTH,
    ),
    "probability-left-at-default": Misconception(
        "a probability was left at its default",
        "Most transforms of albumentations have p = 0.5 unless told otherwise, OneOf too: its p says how often any of "
        "its members acts, and theirs only how they share that.",
        BUGS,
    ),
    "image-without-mask": Misconception(
        "the picture was moved, its mask was not",
        "Then the mask marks a place where the defect no longer is. Give both to one call, t(image=…, mask=…), so that "
        "both get the same random numbers.",
        PIPELINE,
    ),
    "mask-interpolated": Misconception(
        "the mask was interpolated, so that it holds values that are no labels",
        "Half-way between label 0 and label 6 stands 3, another label or none at all. Masks take the nearest pixel.",
        PIPELINE,
    ),
    "shrunk-without-averaging": Misconception(
        "the picture was made smaller by picking pixels, not by averaging them",
        "Linear interpolation looks at two pixels each way, however many there are: a scratch that is one pixel wide "
        "may vanish. INTER_AREA averages all.",
        PIPELINE,
    ),
    "validation-augmented": Misconception(
        "validation pictures were augmented, too",
        "Validation and test stand for the line as it is. Resize and normalise them, and change nothing at random, or "
        "each evaluation measures something else.",
        PIPELINE,
    ),
    "each-instead-of-one": Misconception(
        "each of the choices was applied with its own probability, not exactly one of them",
        "In a plain list several may act at once. OneOf picks one.",
        PIPELINE,
    ),
    "flips-locked-together": Misconception(
        "the two flips are not independent: both happen, or none",
        "In albumentations 2.0.8 `Compose(seed=…)` starts a generator of its own for each of its transforms, all with "
        "the same seed: with equal p they decide alike, call for call. Let them share one stream: "
        "`set_random_state(np.random.default_rng(seed), random.Random(seed))`.",
        PIPELINE,
    ),
    "seed-unused": Misconception(
        "the seed has no influence: two pipelines with the same seed differ",
        "albumentations draws from generators of its own, which `np.random.seed` and `random.seed` do not reach: give "
        "the pipeline its seed.",
        PIPELINE,
    ),
    "same-draw-each-time": Misconception(
        "every call draws the same random numbers",
        "Whoever builds a pipeline anew for each picture starts its seed anew: all are changed alike. Build it once "
        "and call it often.",
        PIPELINE,
    ),
    "neighbours-in-different-splits": Misconception(
        "neighbours were dealt to different splits",
        "Neighbours in the file come from the same module, often from the same photograph. Whoever has trained on one "
        "of them has nearly seen the other: deal whole blocks.",
        SPLIT,
    ),
    "gap-missing": Misconception(
        "no gap was left between blocks of different splits",
        "A block's last cell and the next block's first are neighbours like any other two.",
        SPLIT,
    ),
    "arms-on-different-seeds": Misconception(
        "the two arms ran with different seeds",
        "Then their difference holds the difference of two seeds as well. Run both arms with each seed.",
        ABLATION,
    ),
    "not-paired": Misconception(
        "the spread of both arms was used, not that of their differences",
        "Seeds differ by more than the arms do, and both arms share them: take the difference for each seed first, "
        "then its mean and its spread.",
        ABLATION,
    ),
    "normal-for-t": Misconception(
        "the interval takes its factor from the normal distribution",
        "A spread that is estimated from few seeds is itself uncertain: with n seeds the factor is that of Student's t "
        "with n - 1 degrees of freedom, 2.78 and not 1.96 for five.",
        ABLATION,
    ),
    "spread-for-error": Misconception(
        "the interval shows the spread of single differences, not the error of their mean",
        "A mean of n has an error of s / √n.",
        ABLATION,
    ),
    "spread-divided-by-n": Misconception(
        "the standard deviation was divided by n, not by n - 1",
        "numpy's `std` does so unless told `ddof=1`. Five seeds then look 11 % more sure than they are.",
        ABLATION,
    ),
    "threshold-without-bound": Misconception(
        "the recall that was seen reaches what is required, its lower bound does not",
        "38 of 40 is 95 % seen, and by chance: the true recall may be below 90 %. Ask the lower confidence bound.",
        THRESHOLD,
    ),
    "accuracy-under-imbalance": Misconception(
        "the threshold with the best accuracy was taken",
        "Where few cells are defective, accuracy is mostly that of sound ones: whoever never alarms is right on most. "
        "The requirement is about recall.",
        THRESHOLD,
    ),
    "two-sided-bound": Misconception(
        "the lower end of a two-sided interval was taken",
        "It leaves (1 - confidence) / 2 below. Only one side is asked for here: all of 1 - confidence lies there.",
        THRESHOLD,
    ),
    "approximate-bound": Misconception(
        "this is the bound of an approximation (normal, Wilson or Jeffreys)",
        "Differs from this specification: near 100 % and with few defects approximations promise too much, or too "
        "little. Asked for is the exact bound of Clopper and Pearson.",
        THRESHOLD,
    ),
    "chosen-on-test": Misconception(
        "the threshold was chosen with the test's labels",
        "Then it fits this test, and a rate that is measured on it is too good. Choose on validation, look at the test "
        "once.",
        THRESHOLD,
    ),
    "share-of-alarms": Misconception(
        "false alarms were counted among the alarms, not among the sound cells",
        "That is 1 - precision, which changes with the prevalence. The rate of false alarms is the share of sound "
        "cells with an alarm.",
        LABELS,
    ),
    "uncertain-binarised": Misconception(
        "uncertain labels were made certain",
        "P = ⅓ and P = ⅔ say that the experts were not sure. A cut at ½ hides that: give the rate over certain labels, "
        "and how far the uncertain ones could move it.",
        LABELS,
    ),
    "uncertain-all-alike": Misconception(
        "the limits take all uncertain cells for sound, or all for defective",
        "The worst case is mixed: those that were missed are defective, those with an alarm are sound.",
        LABELS,
    ),
    "precision-of-the-sample": Misconception(
        "the precision of the sample was carried to another prevalence",
        "Precision mixes the two rates by how frequent defects are. Recall and the rate of false alarms carry over; "
        "precision has to be computed anew.",
        PREVALENCE,
    ),
    "blocks-averaged": Misconception(
        "recall was averaged over blocks",
        "A block with one defective cell then weighs as much as one with twenty. Add up hits and defective cells of "
        "all blocks that were drawn, then divide.",
        INTERVAL,
    ),
    "blocks-counted-once": Misconception(
        "a block that was drawn twice was counted once",
        "Drawing with replacement is what makes a resample differ: each time a block was drawn counts.",
        INTERVAL,
    ),
    "tails-not-halved": Misconception(
        "1 - confidence was cut off at each end",
        "An interval of 90 % leaves 5 % on either side, not 10 %.",
        INTERVAL,
    ),
}  # fmt: skip


def _fail(what: str, misconception: str | None = None) -> None:
    raise Mismatch(what, misconception)


def _row(got: Any) -> Any:
    """A tensor or array of numbers as the list that it holds: where several numbers are asked for, it is as good."""
    return got.tolist() if isinstance(got, (Tensor, np.ndarray)) and got.ndim == 1 else got


# ---- 1 two transforms

# Runs a student's transform often, on their side: only arrays travel. Last, whether it left its arguments alone.
# Seeded, as far as libraries are: the same work gets the same verdict wherever it is checked.
OFTEN = """
import random
import numpy as np

def often(transform, image, mask, n, seed):
    random.seed(seed)
    np.random.seed(seed)
    if hasattr(transform, "set_random_seed"):
        transform.set_random_seed(seed)
    calls = [(image.copy(), mask.copy()) for _ in range(n)]
    out = [transform(image=i, mask=m) for i, m in calls]
    alone = all(np.array_equal(a, b) for call in calls for a, b in zip(call, (image, mask)))
    return [*(np.stack([np.asarray(o[key]) for o in out]) for key in ("image", "mask")), alone]
"""


def _pictures(got: Any, shape: tuple[int, int, int], levels: Sequence[int] | None = None):
    """The images and masks, uint8 of this shape, (n, height, width) each, as int64. levels: the labels there are."""
    both = list(got)[:2] if isinstance(got, (list, tuple)) and len(got) >= 2 else [got, got]
    for what, x in zip(("images", "masks"), both, strict=True):
        if not isinstance(x, np.ndarray) or x.shape != shape:
            _fail(f"the {what} should be arrays of the asked-for height and width, with one value a pixel")
        if what == "masks" and levels is not None and not np.isin(x, levels).all():
            _fail("the mask holds values that were no labels in the mask that went in", "mask-interpolated")
        if x.dtype != np.uint8:
            _fail(f"the {what} should stay uint8, as they went in")
    return both[0].astype(np.int64), both[1].astype(np.int64)


def _within(got: float, want: float, limit: float, what: str) -> None:
    if not abs(got - want) <= limit:
        _fail(f"{what}: expected about {show_value(float(want))}, got {show_value(float(got))}")


def _moves(ask: Any, shape: tuple[int, int], edge: int, n: int) -> np.ndarray:
    """By how many pixels a transform moves: (3, n, height, width) without the edges, along columns, along rows, and
    the first less the second. Of pictures whose grey rises along an axis, or along the one and falls along the other.
    """
    y, x = np.mgrid[: shape[0], : shape[1]]
    moved = []
    for rising, gain in ((x, 2), (y, 2), (x - y + shape[0], 1)):
        image = (gain * rising).astype(np.uint8)
        d = (ask(image, n) - image)[:, edge:-edge, edge:-edge] / gain
        if n > 1 and len(np.unique(d.reshape(n, -1), axis=0)) == 1 and d.any():
            _fail("every call moves the pixels alike", "same-draw-each-time")
        moved.append(d)
    return np.stack(moved)


@check("defects/transforms", points=3)
def transforms(student: Student, rng: np.random.Generator) -> None:
    """elastic(spread, sigma), relight(limit) -> t(image=…, mask=…) -> {"image", "mask"}, always applied."""
    given = student.define(OFTEN)
    size = 128
    ramp = np.tile(np.arange(size, dtype=np.uint8), (size, 1))

    def often(transform, image, mask, n, levels=None):
        got = given.often(transform, image, mask, n, int(rng.integers(2**31)))
        return (*_pictures(got, (n, *image.shape), levels), got[2] is True)

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    with case("elastic: rows and columns move by as much as asked for, smoothly", 1):
        # Neither a fixed size nor one that follows from the other serves all three, nor one that fits one picture.
        asked = ((between(2.6, 3.1), between(4.6, 5.0), (size, size), 16, 20),
                 (between(1.2, 1.4), between(2.0, 2.3), (18, 22), 5, 300),
                 (between(2.6, 3.1), between(2.0, 2.4), (size, size), 16, 8))  # fmt: skip
        found = []
        for spread, sigma, shape, edge, n in asked:
            transform = student.elastic(spread, sigma)

            def ask(image, n, transform=transform):
                images, _, alone = often(transform, image, image, n)
                if not alone:
                    _fail("the transform wrote into the picture or the mask that it was given")
                return images

            moved = _moves(ask, shape, edge, n)
            if not moved.any((2, 3)).all():
                noise = rng.integers(0, 256, shape, dtype=np.uint8)  # a twentieth of a pixel would show
                still = (ask(noise, 60) == noise).all((1, 2)).mean()
                if still > 1 / 6:
                    name = "probability-left-at-default" if 0.2 < still < 0.8 else None
                    _fail("some pictures come out as they went in" if still < 1 else "no picture changes", name)
            found.append(moved)
        # What is too weak is far from what was asked for. What is wrong by the same factor is another mistake.
        ratio = [math.sqrt((m[:2] ** 2).mean()) / a[0] for m, a in zip(found, asked, strict=True)]
        if max(abs(r - 1) for r in ratio) > 0.12:
            what = "the standard deviation of the displacement, in parts of what was asked for"
            told = f"{what}: expected about 1, got {', '.join(show_value(round(r, 3)) for r in ratio)}"
            if min(ratio) < 0.2:
                _fail(told, "elastic-too-weak")
            if max(ratio) < 1.5 * min(ratio):
                told += "; that is nearly one factor: does the noise have another standard deviation than alpha takes?"
            _fail(told)
        for moved, (spread, sigma, *_) in zip(found, asked, strict=True):
            for d, along in zip(moved, ("along columns", "along rows"), strict=False):
                what = f"the standard deviation of the displacement {along} (pixels)"
                _within(math.sqrt((d**2).mean()), spread, 0.13 * spread, what)
                for lag, axis in itertools.product((2, 6), (1, 2)):
                    d = d.swapaxes(axis, 2)
                    apart = math.sqrt(((d[..., lag:] - d[..., :-lag]) ** 2).mean())
                    want = spread * math.sqrt(2 * (1 - math.exp(-(lag**2) / (4 * sigma**2))))
                    what = f"the standard deviation of the difference between places {lag} pixels apart"
                    _within(apart, want, 0.2 * want + 0.05, what)
                    d = d.swapaxes(axis, 2)
            both = math.sqrt((moved[2] ** 2).mean())
            what = "the standard deviation of the displacement along columns less that along rows (independent)"
            _within(both, math.sqrt(2) * spread, 0.13 * math.sqrt(2) * spread, what)
    with case("elastic: the mask moves along and keeps its labels; nothing black comes in", 1):
        labels = [0, *(int(x) for x in rng.choice(np.arange(3, 200), 2, replace=False))]
        tile = ramp // 12, ramp.T // 12
        image = np.where((tile[0] + tile[1]) % 2 > 0, 255, 0).astype(np.uint8)
        mask = np.where(image > 0, np.where(tile[0] % 2 > 0, labels[1], labels[2]), labels[0]).astype(np.uint8)
        transform = student.elastic(between(2.6, 3.1), between(3.5, 4.0))
        images, masks, _ = often(transform, image, mask, 6, labels)
        light = images > 127
        if (masks == mask).all() and (light != (image > 0)).mean() > 0.02:
            _fail("the picture moved, the mask did not", "image-without-mask")
        _within((light != (masks != labels[0])).mean(), 0.0, 0.05, "the share of pixels where mask and picture part")
        for label in labels:
            want = (mask == label).mean()
            _within((masks == label).mean(), want, 0.5 * want, "the share of pixels with one of the labels")
        light = np.full_like(image, int(rng.integers(150, 250)))
        images, masks, _ = often(transform, light, np.full_like(light, labels[1]), 6)
        if (np.abs(images - light) > 1).any() or (masks != labels[1]).any():
            _fail("a picture of one grey should stay as it is: something else comes in at its edges")
    with case("relight: a grey picture gets lighter or darker, its mask stays", 1):
        for side, limit in ((24, between(0.12, 0.17)), (31, between(0.24, 0.3))):
            image = rng.integers(90, 160, (side, side), dtype=np.uint8)
            mask = rng.choice([0, 1, 6], (side, side)).astype(np.uint8)
            transform = student.relight(limit)
            images, masks, alone = often(transform, image, mask, 200)
            if not alone:
                _fail("the transform wrote into the picture or the mask that it was given")
            _lights(images - image, limit)
            if (masks != mask).any():
                _fail("the mask changes: light has nothing to do with where a defect is")
            image[::2] = rng.integers(0, 256, image[::2].shape)  # and now with what has to be cut off
            images, *_ = often(transform, image, mask, 30)
            added = (images - image)[:, 1::2].mean((1, 2))[:, None, None]
            if (np.abs(images - np.clip(image + added, 0, 255)) > 2).any():
                _fail("where a sum leaves 0 to 255 it should be cut off there, and nowhere else")
            if np.abs(added).mean() < 0.2 * 255 * limit:
                _fail("a picture that has black and white pixels should get lighter and darker like any other")


def _lights(added: np.ndarray, limit: float) -> None:
    """Mismatch unless what was added to each picture (n, height, width) is one amount, uniform in ±limit · 255."""
    if not added.any():
        _fail("every picture comes out as it went in", "hue-on-grey")
    if (np.ptp(added, (1, 2)) > 2).any():
        _fail("within a picture, not all pixels changed by the same amount")
    shift = added.mean((1, 2)) / (255 * limit)
    still = (~added.any((1, 2))).mean()
    if still > 0.2:
        default = still < 0.8 and abs((shift[shift != 0] > 0).mean() - 0.5) < 0.25  # the others go both ways
        _fail("some pictures come out as they went in", "probability-left-at-default" if default else None)
    if np.abs(shift).max() > 1 + 2 / (255 * limit):
        _fail("more than limit · 255 was added or taken away")
    _within(np.abs(shift).mean(), 0.5, 0.12, "the mean change in parts of limit · 255")
    _within((shift > 0).mean(), 0.5, 0.2, "the share of pictures that became lighter")
    for part in (-0.5, 0.5):
        _within((shift < part).mean(), (1 + part) / 2, 0.19, f"the share of amounts below {part} · limit · 255")
    if len(np.unique(added[:, 0, 0])) < 20:
        _fail("of 200 pictures, only a few different amounts were added: they should be uniform in ±limit · 255")


# ---- 2 the pipeline

PIPELINES = """
import os
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import random
import albumentations as A
import numpy as np

KINDS = {"invert": A.InvertImg, "transpose": A.Transpose, "dots": A.PixelDropout}

def build(pipeline, train, size, p_flip, p_one, which, seed):
    choices = [KINDS[k](p=1) if k in KINDS else A.Posterize(num_bits=2, p=1) for k in which]
    held = list(choices)
    made = pipeline(train, size, p_flip, p_one, choices, seed)
    return made, len(held) == len(choices) and all(a is b for a, b in zip(held, choices))

def stacked(out):
    return [np.stack([np.asarray(o[key]) for o in out]) for key in ("image", "mask")]

def often(pipeline, train, size, p_flip, p_one, which, seed, images, masks):
    transform, alone = build(pipeline, train, size, p_flip, p_one, which, seed)
    before = images.copy(), masks.copy()
    out = stacked([transform(image=i, mask=m) for i, m in zip(images, masks)])
    return [*out, alone and all(np.array_equal(a, b) for a, b in zip(before, (images, masks)))]

def in_turn(pipeline, size, which, seed, image, mask, n):
    "Two pipelines with one seed, called in turn, while others draw, too."
    made = [build(pipeline, True, size, 0.5, 0.5, which, seed)[0] for _ in range(2)]
    out = []
    for _ in range(n):
        for transform in made:
            out.append(transform(image=image, mask=mask))
    return stacked(out)
"""
CHOICES = ("invert", "transpose", "posterize")
LIGHT = {
    "": lambda x: x,
    "i": lambda x: 255 - x,
    "p": lambda x: x & 0b11000000,
    "ip": lambda x: (255 - x) & 0b11000000,
    "pi": lambda x: 255 - (x & 0b11000000),
}


def _flipped(x: np.ndarray, h: bool, v: bool, t: bool) -> np.ndarray:
    """Mirrored left to right (h), upside down (v), then rows and columns exchanged (t)."""
    x = x[..., :: -1 if h else 1][..., :: -1 if v else 1, :]
    return x.swapaxes(-1, -2) if t else x


def _variants(image: np.ndarray) -> dict[bytes, tuple[bool, bool, bool, str]]:
    """What may have become of an image: its bytes -> (h, v, t, light)."""
    every = [(h, v, t) for h in (False, True) for v in (False, True) for t in (False, True)]
    return {
        change(_flipped(image, *how)).astype(np.int64).tobytes(): (*how, light)
        for light, change in LIGHT.items()
        for how in every
    }


def _pattern(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and a mask that no two ways of flipping, transposing or changing the light make the same."""
    while True:
        image = rng.integers(0, 256, (size, size), dtype=np.uint8)
        mask = rng.choice([0, 2, 9], (size, size)).astype(np.uint8)
        if len(_variants(image)) == 8 * len(LIGHT) and len(_variants(mask)) >= 16:
            return image, mask


@check("defects/pipeline", points=4)
def pipeline(student: Student, rng: np.random.Generator) -> None:
    """pipeline(train, size, p_flip, p_one, choices, seed) -> t(image=…, mask=…)."""
    given = student.define(PIPELINES)
    alone: list[bool] = []  # of each question, whether what was given was left as it was: judged once

    def ask(train, size, p_flip, p_one, which, image, mask, n=None, seed=None, levels=None):
        """n calls with one picture, or one with each of several. levels: where nothing but the size may change."""
        if n is not None:
            image, mask = (np.repeat(x[None], n, 0) for x in (image, mask))
        seed = int(rng.integers(2**31)) if seed is None else seed
        got = given.often(student.pipeline, train, size, p_flip, p_one, list(which), seed, image, mask)
        alone.append(isinstance(got, list) and got[-1] is True)
        return _pictures(got, (len(image), size, size), levels)

    def read(image, mask, images, masks):
        """Of each result, what was done to the image; Mismatch where the mask is not that of the image."""
        known = _variants(image)
        ways = [known.get(x.tobytes()) for x in images]
        if None in ways:
            _fail("an image is neither the one that went in nor a flipped, transposed or relit one of it")
        parts = [not np.array_equal(_flipped(mask, *way[:3]), m) for way, m in zip(ways, masks, strict=True)]
        if any(parts):
            stays = all(np.array_equal(mask, m) for m in masks)
            _fail("the mask does not lie where its image does", "image-without-mask" if stays else None)
        return ways

    def shrink(train: bool) -> None:
        """No flips, no choices: smaller by an even factor, and from shapes that are no multiple and not square."""
        size, factor, n = int(rng.integers(9, 15)), int(rng.choice([4, 6])), 2
        image = rng.integers(0, 256, (n, *(factor * size,) * 2), dtype=np.uint8)
        coarse = rng.choice([0, 2, 9], (n, size, size)).astype(np.uint8)
        large = np.kron(coarse, np.ones((1, factor, factor), np.uint8))
        images, masks = ask(train, size, 0.0, 0.0, CHOICES, image, large, levels=(0, 2, 9))
        blocks = image.reshape(n, size, factor, size, factor).astype(float)
        if (np.abs(images - blocks.mean((2, 4))) > 1).any():
            m = factor // 2
            middle = blocks[:, :, m - 1 : m + 1, :, m - 1 : m + 1].mean((2, 4))
            picked = [middle, blocks[:, :, 0, :, 0], blocks[:, :, m, :, m]]
            looks = any((np.abs(images - p) <= 1).all() for p in picked)
            _fail("a smaller picture is not the mean over the pixels it stands for",
                  "shrunk-without-averaging" if looks else None)  # fmt: skip
        if (masks != coarse).any():
            _fail("the mask of the smaller picture is not that of the same places")
        for shape in ((size * 3 // 2 + 1, 2 * size + 3), (size * 7 // 3, size + 2), (size * 2 // 3, size // 2 + 1)):
            place = np.stack(np.mgrid[: shape[0], : shape[1]])  # an image that rises along rows, one along columns
            slope = [200 / k for k in shape]
            image = np.stack([20 + s * x for s, x in zip(slope, place, strict=True)])
            label = np.stack([9 * (2 * x >= k) for k, x in zip(shape, place, strict=True)])
            images, masks = ask(train, size, 0.0, 0.0, CHOICES, *(x.astype(np.uint8) for x in (image, label)),
                                levels=(0, 9))  # fmt: skip
            for k in range(2):
                centre = (np.mgrid[:size, :size][k] + 0.5) * shape[k] / size  # in large pixels
                if (np.abs(images[k] - 20 - slope[k] * (centre - 0.5)) > slope[k] * max(1, shape[k] / size) + 2).any():
                    _fail("a picture of another shape is not shown as a whole, each place where it belongs")
                far = np.abs(centre - shape[k] / 2) > max(1, shape[k] / size) + 0.5
                if (masks[k] != 9 * (centre > shape[k] / 2))[far].any():
                    _fail("the mask of a picture of another shape is not that of the same places")

    with case("validation: resized, and nothing else", 1):
        image, mask = _pattern(rng, size := int(rng.integers(7, 12)))
        images, masks = ask(False, size, 1.0, 1.0, CHOICES, image, mask, 12)
        if (images != image).any():
            known = _variants(image)
            looks = all(x.tobytes() in known for x in images)
            _fail("an image of the right size should come out as it went in", "validation-augmented" if looks else None)
        if (masks != mask).any():
            _fail("a mask of the right size should come out as it went in")
        shrink(train=False)
    with case("training: picture and mask are resized and move together, then one choice acts", 1):
        shrink(train=True)
        image, mask = _pattern(rng, size := int(rng.integers(7, 12)))
        asked = ((0.5, 0.0, CHOICES), (1.0, 0.0, CHOICES), (0.0, 1.0, ["transpose"]), (0.5, 0.5, CHOICES))
        for p_flip, p_one, which in asked:
            ways = read(image, mask, *ask(True, size, p_flip, p_one, which, image, mask, 24))
            if p_flip != 0.5 and any(w != (p_flip == 1, p_flip == 1, p_one == 1, "") for w in ways):
                _fail("with probability 1 everything happens in each call, with probability 0 nothing")
        large = [np.kron(x, np.ones((3, 3), np.uint8)) for x in (image, mask)]  # shrinks to the pattern exactly
        ways = read(image, mask, *ask(True, size, 1.0, 1.0, ["transpose"], *large, 4))
        if any(w != (True, True, True, "") for w in ways):
            _fail("a picture that has to shrink is not flipped and changed as one of the right size is")
        large = rng.integers(0, 256, (2, 2 * size, 2 * size), dtype=np.uint8)
        images, _ = ask(True, size, 0.0, 1.0, ["posterize"], large, np.zeros_like(large))
        if not np.isin(images, (0, 64, 128, 192)).all():
            _fail("the choices act last, on the small picture: what they made was averaged afterwards")
        if not all(alone):
            _fail("the pipeline changed the picture, the mask or the choices that it was given, which are used again")
    with case("each flip with its probability, exactly one choice with its own", 1):
        found = []
        for p_flip, p_one, which in ((0.2, 0.8, CHOICES[::2]), (0.8, 0.2, CHOICES[:2]), (0.2, 0.8, CHOICES)):
            p_flip, p_one = (p + float(rng.uniform(-0.05, 0.05)) for p in (p_flip, p_one))
            n = 500
            image, mask = _pattern(rng, size := int(rng.integers(7, 12)))
            images, masks = ask(True, size, p_flip, p_one, which, image, mask, n)
            known = _variants(image)
            ways = [known.get(x.tobytes()) for x in images]  # whether masks go along, the case before has asked
            if None in ways or ("transpose" not in which and any(t for _, _, t, _ in ways)):
                _fail("an image is neither the one that went in nor a flipped or chosen one of it")
            found.append((ways, p_flip, p_one, which))
        _shares(found)
    with case("the seed decides the sequence, and the sequence changes from call to call", 1):
        image, mask = _pattern(rng, size := int(rng.integers(7, 12)))
        seed, n = int(rng.integers(2**31)), 60
        seeds = seed, seed, seed + 2 * int(rng.integers(1, 9))
        first, again, other = (ask(True, size, 0.5, 0.5, CHOICES, image, mask, n, s)[0] for s in seeds)
        if all((x == x[0]).all() for x in (first, again, other)):
            moves = (first[0] != image).any() or (other[0] != image).any() or (first != other).any()
            _fail("all calls give the same result", "same-draw-each-time" if moves else None)
        if (first != again).any():
            _fail("two pipelines with the same seed give different pictures", "seed-unused")
        if (first == other).all():
            _fail("pipelines with different seeds give the same pictures")
        if (first == first[0]).all():
            _fail("all calls give the same result", "same-draw-each-time")
        got = given.in_turn(student.pipeline, size, list(CHOICES), seed, image, mask, n)
        both, _ = _pictures(got, (2 * n, size, size))
        if (both[::2] != both[1::2]).any():
            _fail("two pipelines with the same seed, called in turn, give different pictures: they share a generator")
        dots = np.full((size, size), 200, dtype=np.uint8)  # a choice that draws dots at random
        first, again = (ask(True, size, 0.0, 1.0, ["dots", "dots"], dots, mask, 12, seed)[0] for _ in range(2))
        if (first != again).any():
            _fail("what the choices draw at random is not decided by the seed: give them a generator, too")
        if (first == first[0]).all():
            _fail("what the choices draw at random is the same in each call")


def _shares(found: list[tuple]) -> None:
    """Mismatch unless what was done came as often as asked for, within 0.11: five standard deviations and more.
    found: (ways, p_flip, p_one, which), for each question."""
    acted = [[t + len(light) for _, _, t, light in ways] for ways, *_ in found]
    if max(map(max, acted)) > 1:
        _fail("two of the choices acted on one picture", "each-instead-of-one")
    shares = {
        "mirrored pictures": [(np.mean([w[0] for w in ways]), p) for ways, p, _, _ in found],
        "pictures upside down": [(np.mean([w[1] for w in ways]), p) for ways, p, _, _ in found],
        "pictures on which a choice acted": [(np.mean(a), p) for a, (_, _, p, _) in zip(acted, found, strict=True)],
    }
    wrong = {what: pairs for what, pairs in shares.items() if any(abs(share - p) > 0.11 for share, p in pairs)}
    default = all(abs(share - 0.5) < 0.11 for pairs in wrong.values() for share, _ in pairs)  # whatever is asked for
    for what, pairs in wrong.items():
        share, p = next((share, p) for share, p in pairs if abs(share - p) > 0.11)
        _fail(f"the share of {what}: expected about {show_value(p)}, got {show_value(float(share))}",
              "probability-left-at-default" if default else None)  # fmt: skip
    for ways, p, p_one, which in found:
        both = np.mean([w[0] and w[1] for w in ways])
        if abs(both - p**2) > 0.11:
            locked = "flips-locked-together" if all(w[0] == w[1] for w in ways) else None
            got = f"expected about {show_value(p**2)}, got {show_value(float(both))}"
            _fail(f"the share of pictures flipped both ways: {got}", locked)
        signs = {"invert": "i", "posterize": "p"}
        for k in which:
            share = np.mean([w[2] if k == "transpose" else w[3] == signs[k] for w in ways])
            _within(share, p_one / len(which), 0.11, "the share of pictures on which one certain choice acted")


# ---- 3 the split

SPLITS = """
import operator

def tests(split, n, block, gap, seeds):
    out = []
    for seed in seeds:
        parts = split(n, block, gap, seed)
        try:
            out.append([[operator.index(i) for i in part] for part in parts])
        except TypeError:
            return (parts,)
    return out
"""


def _owners(parts: Any, n: int, block: int, gap: int) -> np.ndarray:
    """To which split each block went, -1 where none of its cells is left. Mismatch unless the parts obey the rules."""
    whole = isinstance(parts, (list, tuple)) and len(parts) == 3
    parts = [p for p in parts if isinstance(p, list) and all(type(i) is int for i in p)] if whole else []
    if len(parts) != 3:
        _fail("the split should be three lists of cells: training, validation, test")
    if any(not 0 <= i < n for p in parts for i in p):
        _fail("there are numbers that no cell has: cells count from 0 to n - 1")
    if sum(map(len, parts)) != len({i for p in parts for i in p}):
        _fail("a cell stands twice in the split")
    of = np.full(n, -1)
    for k, p in enumerate(parts):
        of[p] = k
    kept = np.flatnonzero(of >= 0)
    blocks = -(-n // block)
    owners = [{int(k) for k in of[b * block : (b + 1) * block]} - {-1} for b in range(blocks)]
    if any(len(o) > 1 for o in owners):
        many = (of[kept[1:]] != of[kept[:-1]]).sum() > n / 4
        _fail("cells of one block stand in different splits", "neighbours-in-different-splits" if many else None)
    owner = np.array([next(iter(o), -1) for o in owners])
    _gaps(of, owner, block, gap)
    want = blocks // 5
    for k, what in ((1, "validation"), (2, "test")):
        if not want - (owner == -1).sum() <= (owner == k).sum() <= want:
            _fail(f"{what} should have a fifth of the blocks, rounded down")
    return owner


def _gaps(of: np.ndarray, owner: np.ndarray, block: int, gap: int) -> None:
    """Mismatch unless `gap` cells are missing at each border of two splits, and none elsewhere.
    of: the split of each cell, -1 for none; owner: that of each block."""
    n = len(of)
    kept, missing = np.flatnonzero(of >= 0), np.flatnonzero(of < 0)
    beside = (of[kept[1:]] != of[kept[:-1]]) & (np.diff(kept) <= gap)
    if beside.any():
        a, b = (show_value(int(x)) for x in (kept[:-1][beside][0], kept[1:][beside][0]))
        name = "gap-missing" if len(kept) == n and gap > 1 else None
        _fail(f"cells {a} and {b} are of different splits, and no more than the gap apart", name)
    last = (len(owner) - 1) * block
    borders = [b * block for b in range(1, len(owner)) if -1 != owner[b] != owner[b - 1] != -1]
    if owner[-1] < 0 and n - last <= gap:  # so short a last block may go whole: the gap lies in it, as far as it goes
        borders.append(last)
    for i in missing:
        if not any(s - gap <= i < s + gap for s in borders):
            _fail(f"cell {show_value(int(i))} is left out, and no border between two splits is within the gap of it")
    for s in borders:
        left = missing[(missing >= s - gap) & (missing < s + gap)]
        if len(left) > gap:
            _fail(f"more cells than the gap are left out at one border: cell {show_value(int(left[0]))} and others")


@check("defects/split", points=3)
def split(student: Student, rng: np.random.Generator) -> None:
    """split(n, block, gap, seed) -> cells of training, validation, test; whole blocks, with gaps."""
    given = student.define(SPLITS)

    def make(gap: int, whole: bool = False) -> tuple[int, int, int]:
        block, blocks = int(rng.integers(14, 20)), int(rng.integers(21, 35))
        last = block if whole else int(rng.integers(2 * gap + 1, block))
        return (blocks - 1) * block + last, block, gap

    def ask(n: int, block: int, gap: int, seeds: int | list[int]) -> list[np.ndarray]:
        seeds = [int(s) for s in rng.choice(10**6, seeds, replace=False)] if isinstance(seeds, int) else seeds
        got = given.tests(student.split, n, block, gap, seeds)
        if isinstance(got, tuple):  # one split, which is no lists of numbers
            near(*got, [ANY] * 3, what="the split")
            _fail("the numbers of cells should be whole numbers (integers), with which pictures can be picked")
        if not isinstance(got, list) or len(got) != len(seeds):
            _fail("the split should be three lists of cells: training, validation, test")
        return [_owners(parts, n, block, gap) for parts in got]

    with case("whole blocks, without a gap: a fifth each for validation and test", 1):
        for whole in (True, False):
            ask(*make(gap=0, whole=whole), 3)
        n, block, gap = make(gap=0, whole=True)
        ask(n + 1, block, gap, 2)
        ask(int(rng.integers(20, 40)), 1, 0, 6)  # each cell a block of its own
        ask(int(rng.integers(2, 5)) * block, block, 0, 2)  # a fifth of four blocks is none
        ask(400 + int(rng.integers(40)), int(rng.integers(34, 40)), 0, 1)
    with case("the gap at borders of two splits, and nowhere else", 1):
        for gap in (int(rng.integers(2, 5)), int(rng.integers(2, 5)), int(rng.integers(5, 7)), 1):
            ask(*make(gap, whole=gap == 1), 3)
        n, block, gap = make(gap=3, whole=True)
        ask(n + 1, block, gap, 2)
    with case("dealt at random, by the seed", 1):
        n, block, gap = make(gap=0)
        seeds = [int(s) for s in rng.choice(10**6, 100, replace=False)]
        owners = ask(n, block, gap, [seeds[0], *seeds])
        if (owners[0] != owners[1]).any():
            _fail("the same seed gives another split")
        for k in range(3):
            if not all(any(o[b] in (k, -1) for o in owners) for b in range(len(owners[0]))):
                _fail("over many seeds, some blocks never come into one of the splits: deal all blocks at random")


# ---- 4 the ablation


def _paired(a: np.ndarray, b: np.ndarray, confidence: float, how: str = "right") -> tuple[float, float, float]:
    """Mean of a - b with its interval, or with one mistake (`how`)."""
    d, n = a - b, len(a)
    q = (1 + confidence) / 2
    factor, error = stats.t.ppf(q, n - 1), d.std(ddof=1) / math.sqrt(n)
    match how:
        case "normal":
            factor = stats.norm.ppf(q)
        case "spread":
            error = d.std(ddof=1)
        case "normal spread":
            factor, error = stats.norm.ppf(q), d.std(ddof=1)
        case "by n":
            error = d.std() / math.sqrt(n)
        case "welch" | "pooled" | "unpaired, n - 1" | "unpaired, normal":
            va, vb = a.var(ddof=1) / n, b.var(ddof=1) / n
            error = math.sqrt(va + vb)
            free = {"welch": (va + vb) ** 2 / (va**2 + vb**2) * (n - 1), "pooled": 2 * n - 2}.get(how, n - 1)
            factor = stats.norm.ppf(q) if how == "unpaired, normal" else stats.t.ppf(q, free)
    mean = d.mean()
    return float(mean), float(mean - factor * error), float(mean + factor * error)


PAIRED_MISTAKES = {
    "not-paired": ("welch", "pooled", "unpaired, n - 1", "unpaired, normal"),
    "normal-for-t": ("normal",),
    "spread-for-error": ("spread", "normal spread"),
    "spread-divided-by-n": ("by n",),
}


@check("defects/ablation", points=3)
def ablation(student: Student, rng: np.random.Generator) -> None:
    """paired(run, seeds, confidence) -> (mean difference, low, high); run(augment, seed) -> a metric."""
    within = {"eps": 2.0**-20}

    def make(n: int | None = None, scale: int = 1):
        def inputs(rng):
            k = int(rng.integers(4, 9)) if n is None else n
            while True:
                of_seed = 0.8 + 0.03 * rng.standard_normal(k)  # common to both arms
                a = of_seed + rng.uniform(-0.02, 0.02) + 0.01 * rng.standard_normal(k)
                b = of_seed + 0.005 * rng.standard_normal(k)
                a, b = (scale * np.round(x * 2**12) / 2**12 for x in (a, b))  # float32 holds them, too
                confidence = float(rng.uniform(0.75, 0.99))
                mean, low, high = _paired(a, b, confidence)
                if 0 < high - low < 30 * min(map(abs, (mean, low, high))):  # nothing cancels
                    return a, b, confidence

        return inputs

    def answers(a, b, confidence):
        wrong = {k: Either(_paired(a, b, confidence, h) for h in hows) for k, hows in PAIRED_MISTAKES.items()}
        return {"right": _paired(a, b, confidence), **wrong, "exchanged": _paired(b, a, confidence)}

    def ask(n: int | None = None, scale: int = 1) -> list[tuple[bool, int]]:
        (a, b, confidence), known = draw(rng, make(n, scale), answers, **within)
        seeds = [int(s) for s in rng.choice(1000, len(a), replace=False)]
        calls: list[tuple[bool, int]] = []

        def run(augment: Any, seed: Any) -> float:
            augment, seed = bool(plain(augment)), int(plain(seed))
            calls.append((augment, seed))
            if seed in seeds:
                return float((a if augment else b)[seeds.index(seed)])
            return scale * 0.8 + 0.03 * math.sin(seed) + 0.01 * augment * math.cos(seed)  # nobody asked for it

        got = _row(student.paired(run, seeds, confidence))
        near(got, [ANY] * 3, what="(difference, low, high)")
        arms = [{seed for augment, seed in calls if augment is arm} for arm in (True, False)]
        if arms[0] and arms[1] and arms[0] != arms[1]:
            _fail("the runs with and without augmentation have different seeds", "arms-on-different-seeds")
        if arms != [set(seeds)] * 2:
            _fail("run(True, seed) and run(False, seed) should be called for each of the seeds, and for no other")
        right = known.pop("right")
        known.pop("exchanged")  # has no name, and must not look like one that has
        near(got, [right[0], ANY, ANY], what="(difference, low, high)", **within)
        suspects = known if n is None else {}  # of two, half a spread may be several things
        near(got, list(right), suspects=suspects, what="(difference, low, high)", **within)
        return calls

    with case("both arms with each seed; the mean difference and its interval", 2):
        for _ in range(3):
            ask()
    with case("two seeds, many seeds; one run each", 1):
        ask(2)
        ask(2, scale=128)  # a metric in percent, as it were
        calls = ask(40)
        if len(calls) != 80:
            _fail("a run is a whole training: call it once for each arm and seed")
        seeds = [int(s) for s in rng.choice(1000, 5, replace=False)]
        run = lambda augment, seed: 0.8 + 0.01 * math.sin(int(plain(seed))) * bool(plain(augment))  # noqa: E731
        asking.unchanged(student, student.paired, seeds, 0.9, before=[run])


# ---- 5 the threshold


def _bound(k: int, n: int, confidence: float) -> float:
    """Clopper and Pearson's lower bound, one-sided."""
    return float(special.betaincinv(k, n - k + 1, 1 - confidence)) if k > 0 else 0.0


BOUND = """
import numpy as np
from scipy import special

def lower_bound(k, n, confidence):
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    bound = np.where(k > 0, special.betaincinv(np.maximum(k, 1), n - k + 1, 1 - confidence), 0.0)  # as stats.beta.ppf
    return float(bound) if bound.ndim == 0 else bound

def threshold(score, defective, required, confidence):
    score, defective = np.asarray(score), np.asarray(defective).astype(bool)
    caught = np.sort(score[defective])[::-1]
    enough = lower_bound(np.arange(1, len(caught) + 1), len(caught), confidence) >= required
    return float(caught[enough.argmax()]) if enough.any() else None
"""
_given: dict = {"__name__": __name__}
exec(BOUND, _given)


def _approximate(k: int, n: int, confidence: float) -> Either:
    """Normal, Wilson, Jeffreys; and the upper bounds' mirror images are none of them."""
    z, p = stats.norm.ppf(confidence), k / n
    normal = p - z * math.sqrt(p * (1 - p) / n)
    wilson = (p + z**2 / (2 * n) - z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)
    return Either([normal, wilson, float(special.betaincinv(k + 0.5, n - k + 0.5, 1 - confidence))])


@check("defects/threshold", points=4)
def threshold(student: Student, rng: np.random.Generator) -> None:
    """lower_bound(k, n, confidence) -> float; threshold(score, defective, required, confidence) -> float or None."""
    within = {"eps": 2.0**-20}

    def make(rng):
        n = int(rng.integers(20, 90))
        return int(rng.integers(n // 2, n)), n, float(rng.uniform(0.75, 0.98))

    def bounds(k, n, confidence):
        return {
            "right": _bound(k, n, confidence),
            "two-sided-bound": _bound(k, n, (1 + confidence) / 2),
            "approximate-bound": _approximate(k, n, confidence),
            "share": k / n,
            "upper": float(special.betaincinv(k + 1, n - k, confidence)),
        }

    with case("the exact lower bound of a share", 1):
        for _ in range(4):
            inputs, known = draw(rng, make, bounds, **within)
            right = known.pop("right")
            known = {k: known[k] for k in ("two-sided-bound", "approximate-bound")}  # the others have no name
            near(student.lower_bound(*inputs), right, suspects=known, what="the lower bound", **within)
    with case("the bound of none, of all, of a single one", 1):
        n, confidence = int(rng.integers(5, 60)), float(rng.uniform(0.75, 0.98))
        for k, m in ((0, n), (n, n), (0, 1), (1, 1), (1, n)):
            near(student.lower_bound(k, m, confidence), _bound(k, m, confidence), what="the lower bound", **within)

    def cells(ties: bool = False, dtype: torch.dtype = torch.float32):
        def inputs(rng):
            bad, good = int(rng.integers(50, 90)), int(rng.integers(250, 400))
            defective = torch.zeros(bad + good, dtype=torch.bool)
            defective[torch.from_numpy(rng.choice(bad + good, bad, replace=False))] = True
            score = rng.normal(0.0, 1.0, bad + good) + 1.6 * defective.numpy()
            score = np.round(score, 1) if ties else score
            if dtype is torch.float64:  # a hair below what float32 holds: whoever rounds lands above the score
                score = score.astype(np.float32).astype(float) - 2.0**-40
            return (torch.from_numpy(score).to(dtype), defective, float(rng.uniform(0.75, 0.86)),
                    float(rng.uniform(0.88, 0.96)))  # fmt: skip

        return inputs

    def thresholds(score, defective, required, confidence):
        caught = score[defective].sort(descending=True).values
        n = len(caught)
        plain_k = next(k for k in range(1, n + 1) if k / n >= required)
        every = score.unique()
        right = ((score >= every[:, None]) == defective).sum(1)
        best = every[right == right.max()]
        order = every.tolist()
        mid = [(a + b) / 2 for a, b in zip(order, order[1:], strict=False)]
        known = {
            "right": _given["threshold"](score, defective, required, confidence),
            "threshold-without-bound": caught[plain_k - 1].item(),
            "accuracy-under-imbalance": Either(best.tolist()),
            "of all cells": _given["threshold"](score, torch.ones_like(defective), required, confidence),
            "of sound cells": _given["threshold"](score, ~defective, required, confidence),
        }
        place = order.index(known["right"])
        beside = [order[place - 1], order[place + 1], mid[place - 1], mid[place]]
        beside += [part.min().item() for part in (caught[caught > known["right"]],) if len(part)]
        beside += [part.max().item() for part in (caught[caught < known["right"]],) if len(part)]
        return known | {"next": Either(beside)}

    def ask(**how) -> tuple:
        inputs, known = draw(rng, cells(**how), thresholds)
        right = known.pop("right")
        known = {k: known[k] for k in ("threshold-without-bound", "accuracy-under-imbalance")}  # others have no name
        got = student.threshold(*inputs)
        near(got, right, suspects=known, what="the threshold")
        if not float(plain(got)) <= right:
            _fail("the threshold lies a hair above a score that it must reach: give that score itself, as it is")
        return inputs

    with student.given(lower_bound=student.define(BOUND).lower_bound):
        with case("the largest threshold whose recall is proven", 1):
            ask()
            ask(dtype=torch.float64)
            asking.unchanged(student, student.threshold, *ask())
        with case("ties; a requirement that nothing proves", 1):
            ask(ties=True)
            score, defective, _, confidence = ask(ties=True)
            n = int(defective.sum())
            least = _bound(n, n, confidence)  # all caught: no threshold proves more
            lowest = score[defective].min().item()
            near(student.threshold(score, defective, least - 1e-6, confidence), lowest, what="the threshold")
            near(student.threshold(score, defective, least + 1e-6, confidence), None,
                 what="the threshold where no recall can prove enough")  # fmt: skip
            enough, score = _bound(1, n, confidence) / 2, cells()(rng)[0][: len(score)]  # without ties
            n = min(len(score), len(defective))
            score, defective = score[:n], defective[:n]
            highest = score[defective].max().item()
            got = student.threshold(score, defective, enough, confidence)
            near(got, highest, what="the threshold for a single hit")


# ---- 6 what the test says


def _rates(t: float, score: Tensor, defective: Tensor) -> tuple[float, float, float]:
    alarm = score >= t
    return t, alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()


def _recall_range(alarm: Tensor, probability: Tensor) -> tuple[float, float, float]:
    sure, unsure = probability == 1, (probability > 0) & (probability < 1)
    hits, n = int((alarm & sure).sum()), int(sure.sum())
    found, missed = int((alarm & unsure).sum()), int((~alarm & unsure).sum())
    return hits / n, hits / (n + missed), (hits + found) / (n + found)


@check("defects/report", points=4)
def report(student: Student, rng: np.random.Generator) -> None:
    """operate(validation, test, required, confidence), recall_range(alarm, probability), precision_at(alarm, defective,
    prevalence)."""

    def sample(rng, bad=(40, 70), good=(150, 250), apart=1.6):
        n = int(rng.integers(*bad)), int(rng.integers(*good))
        defective = torch.from_numpy(rng.permutation(np.repeat([True, False], n)))
        score = torch.from_numpy(rng.normal(0, 1, sum(n)) + apart * defective.numpy()).float()
        return score, defective

    with case("the threshold from validation, the rates on the test", 2):

        def make(rng):
            (a, of_a), (b, of_b) = sample(rng), sample(rng, apart=2.0)
            a, b = (10 * a).round() / 10, (10 * b).round() / 10  # some scores of the test are the threshold
            return (a, of_a), (b, of_b), float(rng.uniform(0.7, 0.85)), float(rng.uniform(0.88, 0.96))

        def answers(validation, test, required, confidence):
            both = [torch.cat(x) for x in zip(validation, test, strict=True)]
            t, peeked, pooled = (
                _given["threshold"](*x, required, confidence) for x in (validation, test, both)
            )
            right = _rates(t, *test)
            alarm = test[0] >= t
            return {
                "right": right,
                "chosen-on-test": Either([_rates(peeked, *test), _rates(pooled, *test)]),
                "share-of-alarms": (*right[:2], 1 - test[1][alarm].double().mean().item()),
                "on validation": _rates(t, *validation),
                "above only": (t, *_rates(t + 0.02, *test)[1:]),
                "accuracy": (right[0], (alarm == test[1]).double().mean().item(), right[2]),
            }

        for _ in range(2):
            inputs, known = draw(rng, make, answers)
            right = known.pop("right")
            known = {k: known[k] for k in ("chosen-on-test", "share-of-alarms")}  # the others have no name
            with student.given(threshold=student.define(BOUND).threshold):
                what = "(threshold, recall, false alarms)"
                near(_row(student.operate(*inputs)), right, suspects=known, what=what, n=9)
        with student.given(threshold=student.define(BOUND).threshold):
            asking.unchanged(student, student.operate, *inputs)
    with case("recall, and how far uncertain labels could move it", 1):

        def cells(rng):
            n = int(rng.integers(120, 200))
            probability = torch.from_numpy(rng.choice([0, 1 / 3, 2 / 3, 1], n, p=[0.4, 0.15, 0.15, 0.3])).float()
            return torch.from_numpy(rng.random(n) < 0.2 + 0.6 * probability.numpy()), probability

        def ranges(alarm, probability):
            right = _recall_range(alarm, probability)
            cut = [alarm[probability > c].double().mean().item() for c in (0, 0.5)]
            alike = right[0], alarm[probability > 0].double().mean().item()
            return {
                "right": right,
                "uncertain-binarised": Either((c, ANY, ANY) for c in cut),
                "uncertain-all-alike": Either([(right[0], *alike), (right[0], *alike[::-1])]),
                "dropped": (right[0],) * 3,
            }

        for _ in range(2):
            inputs, known = draw(rng, cells, ranges)
            right = known.pop("right")
            known.pop("dropped")  # has no name, and must not look like one that has
            near(_row(student.recall_range(*inputs)), right, suspects=known, what="(recall, lowest, highest)", n=9)
        asking.unchanged(student, student.recall_range, *inputs)
        alarm, probability = inputs
        sure = (probability == 0) | (probability == 1)
        everywhere = torch.ones_like(alarm), probability.double()
        for a, p in ((alarm[sure], probability[sure]), everywhere, (~alarm, 1 - probability)):
            p = torch.where((p > 0.2) & (p < 0.8), torch.tensor(float(rng.uniform(0.1, 0.9)), dtype=p.dtype), p)
            near(_row(student.recall_range(a, p)), _recall_range(a, p), what="(recall, lowest, highest)", n=9)
        nearly = torch.where(sure, probability, torch.where(probability < 0.5, 0.002, 0.998))
        near(_row(student.recall_range(alarm, nearly)), right, what="(recall, lowest, highest)", n=9)
    with case("the precision at another prevalence", 1):

        def line(rng):
            score, defective = sample(rng)
            return score > float(rng.uniform(0.5, 1.2)), defective, float(10.0 ** rng.uniform(-3, -1.3))

        def precisions(alarm, defective, prevalence):
            _, recall, false = _rates(0.5, alarm.float(), defective)
            seen = defective[alarm].double().mean().item()
            return {
                "right": prevalence * recall / (prevalence * recall + (1 - prevalence) * false),
                "precision-of-the-sample": Either([seen, recall / (recall + false)]),
                "scaled": seen * prevalence / defective.double().mean().item(),
                "recall": recall,
            }

        for _ in range(3):
            inputs, known = draw(rng, line, precisions)
            right = known.pop("right")
            known = {k: known[k] for k in ("precision-of-the-sample",)}  # the others have no name
            near(student.precision_at(*inputs), right, suspects=known, what="the precision", n=9)
        asking.unchanged(student, student.precision_at, *inputs)
        alarm, defective, _ = inputs
        prevalence = float(rng.uniform(0.6, 0.95))
        right = precisions(alarm, defective, prevalence)["right"]
        near(student.precision_at(alarm, defective, prevalence), right, what="the precision where most are bad", n=9)
        near(student.precision_at(alarm & defective, defective, prevalence), 1.0, what="without false alarms", n=9)
        got = student.precision_at(alarm & ~defective, defective, prevalence)
        near(got, 0.0, what="the precision where every alarm is false", n=9)


# ---- 7 how sure


def _resampled(alarm: Tensor, defective: Tensor, block: Tensor, drawn: Tensor) -> Tensor:
    B = int(drawn.max()) + 1 if drawn.numel() else 1
    B = max(B, int(block.max()) + 1)
    hits = torch.zeros(B, dtype=torch.float64).index_add(0, block, (alarm & defective).double())
    bad = torch.zeros(B, dtype=torch.float64).index_add(0, block, defective.double())
    return hits[drawn].sum(1) / bad[drawn].sum(1)


WIDE = ("float32", "float64")


@check("defects/interval", points=2)
def interval(student: Student, rng: np.random.Generator) -> None:
    """resampled(alarm, defective, block, drawn) -> recalls (R,); interval(values, confidence) -> (low, high)."""
    within = {"n": 100, "dtype": False}

    def make(empty: bool = False):
        def inputs(rng):
            B, R = int(rng.integers(7, 12)), int(rng.integers(15, 30))
            block = np.repeat(np.arange(B), rng.integers(4, 12, B))
            bad = rng.random(B) * 0.8 + 0.1
            if empty:  # most blocks have no defective cell, so that some resamples have none
                bad[rng.permutation(B)[2:]] = 0.0
            defective = rng.random(len(block)) < bad[block]
            for b in np.flatnonzero(bad):
                defective[np.flatnonzero(block == b)[:2]] = True
            alarm = rng.random(len(block)) < np.where(defective, (0.3 + 0.6 * rng.random(B))[block], 0.1)
            where = rng.permutation(len(block))  # cells stand in any order
            block, defective, alarm = block[where], defective[where], alarm[where]
            drawn = rng.integers(0, B, (R, B))
            if empty:
                drawn[0] = int(np.flatnonzero(bad == 0)[0])
            return tuple(torch.from_numpy(x) for x in (alarm, defective, block, drawn))

        return inputs

    def answers(alarm, defective, block, drawn):
        of_each = [(block == b) & defective for b in range(drawn.shape[1])]
        each = torch.stack([alarm[cells].double().mean() for cells in of_each])  # NaN: none
        once = torch.stack([alarm[torch.isin(block, row) & defective].double().mean() for row in drawn])
        known = {"right": _resampled(alarm, defective, block, drawn), "blocks-counted-once": once}
        averaged = Either([each[drawn].nanmean(1), each[drawn].mean(1), each[drawn].nan_to_num().mean(1)])
        alarms = torch.stack([torch.cat([alarm[block == b] for b in row]).double().mean() for row in drawn])
        return known | {"blocks-averaged": averaged, "alarms": alarms}

    with case("the recall of each resample of blocks", 1):
        for _ in range(2):
            inputs, known = draw(rng, make(), answers, **within)
            right = known.pop("right")
            known.pop("alarms")  # has no name, and must not look like one that has
            got = student.resampled(*inputs)
            if isinstance(got, (Tensor, np.ndarray)) and str(got.dtype).removeprefix("torch.") not in WIDE:
                _fail("the recalls should be float32 or float64: fewer digits round them")
            near(got, right, suspects=known, what="the recalls", **within)
        asking.unchanged(student, student.resampled, *inputs)
        inputs = make(empty=True)(rng)
        alarm, defective, block, drawn = inputs
        spare = torch.full((len(drawn), 1), int(block.max()) + 1)
        inputs = alarm, defective, block, torch.cat([drawn, spare], 1)  # and a last block without any cell
        what = "the recalls, NaN where nothing is defective"
        near(student.resampled(*inputs), _resampled(*inputs), what=what, **within)
    with case("the middle part of the values, NaN left out", 1):

        def values(holes: bool):
            def inputs(rng):
                x = rng.random(int(rng.integers(150, 400))) - 0.5  # of whatever: also below 0
                if holes:
                    x[rng.choice(len(x), 20, replace=False)] = np.nan
                return torch.from_numpy(x), float(rng.uniform(0.75, 0.97))

            return inputs

        def ends(x, confidence):
            cut = (1 - confidence) / 2
            x = x[~x.isnan()].numpy()
            return {
                "right": tuple(float(q) for q in np.quantile(x, [cut, 1 - cut])),
                "tails-not-halved": tuple(float(q) for q in np.quantile(x, [1 - confidence, confidence])),
                "normal": tuple(float(x.mean() + s * x.std() * stats.norm.ppf(1 - cut)) for s in (-1, 1)),
            }

        for holes in (False, True, True):
            inputs, known = draw(rng, values(holes), ends)
            right = known.pop("right")
            known.pop("normal")  # has no name, and must not look like one that has
            near(_row(student.interval(*inputs)), right, suspects=known, what="(low, high)", n=9)
        asking.unchanged(student, student.interval, *inputs)
        single = float(rng.uniform(-2, 2))
        near(_row(student.interval(torch.tensor([single, math.nan]), 0.9)), (single, single), what="of one value", n=9)
