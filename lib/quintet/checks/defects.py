"""What lab 3.1 asks: transforms that change something, a pipeline that keeps picture and mask together, a split that
respects neighbours, an ablation paired over seeds, a threshold that proves a recall, what a test then says, and how
sure that is.

No picture of a solar cell and no training is needed: pictures are small patterns on which each mistake shows. What is
drawn at random by the student's own transforms is judged by shares and spreads, with limits of at least five standard
deviations.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from quintet.checks import Either, Misconception, Mismatch, asking, case, check, draw, near, show_value
from quintet.checks.near import ANY, plain
from quintet.student import Ref, Student

LECTURE = "lecture 3.1 defects, section "
PIPELINE = LECTURE + "3 Picture and mask together"
STRENGTH = LECTURE + "4 Transforms that change something"
SPLIT = LECTURE + "5 A split without siblings"
LABELS = LECTURE + "2 Labels that are not sure, classes that are not equal"
THRESHOLD = LECTURE + "7 A threshold that proves something"
INTERVAL = LECTURE + "8 How sure?"
PREVALENCE = LECTURE + "9 Another line"
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
        PIPELINE,
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
        THRESHOLD,
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

# Runs a student's transform often, on their side: only arrays travel.
OFTEN = """
import numpy as np

def often(transform, image, mask, n):
    out = [transform(image=image.copy(), mask=mask.copy()) for _ in range(n)]
    return [np.stack([np.asarray(o[key]) for o in out]) for key in ("image", "mask")]
"""


def _pictures(got: Any, n: int, size: int, levels: Sequence[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The n images and masks, uint8 (n, size, size) each, as int64. levels: the labels there are."""
    both = list(got) if isinstance(got, (list, tuple)) and len(got) == 2 else [got, got]
    for what, x in zip(("images", "masks"), both, strict=True):
        if not isinstance(x, np.ndarray) or x.shape != (n, size, size):
            _fail(f"the {what} should be arrays of the asked-for height and width, with one value a pixel")
        if what == "masks" and levels is not None and not np.isin(x, levels).all():
            _fail("the mask holds values that were no labels in the mask that went in", "mask-interpolated")
        if x.dtype != np.uint8:
            _fail(f"the {what} should stay uint8, as they went in")
    return both[0].astype(np.int64), both[1].astype(np.int64)


def _within(got: float, want: float, limit: float, what: str) -> None:
    if not abs(got - want) <= limit:
        _fail(f"{what}: expected about {show_value(float(want))}, got {show_value(float(got))}")


@check("defects/transforms", points=3)
def transforms(student: Student, rng: np.random.Generator) -> None:
    """elastic(spread, sigma), relight(limit) -> t(image=…, mask=…) -> {"image", "mask"}, always applied."""
    given = student.define(OFTEN)
    n, size, edge = 30, 128, 16
    ramp = np.tile(np.arange(size, dtype=np.uint8), (size, 1))

    def spreads(large: bool = True) -> tuple[float, float]:  # far enough apart that no fixed size serves both
        low = np.array([2.6, 3.5] if large else [1.5, 2.5])
        return tuple(float(x) for x in rng.uniform(low, low + 0.5))

    with case("elastic: rows and columns move by as much as asked for, smoothly", 1):
        for large in (False, True):
            spread, sigma = spreads(large)
            transform = student.elastic(spread, sigma)
            moved = []
            for across in (False, True):
                image = np.ascontiguousarray(ramp.T if across else ramp)
                images, _ = _pictures(given.often(transform, 2 * image, image, n), n, size)
                moved.append((images / 2 - image)[:, edge:-edge, edge:-edge])  # (n, 96, 96), pixels
            every = np.stack(moved)  # (2, n, 96, 96)
            got = math.sqrt((every[(every != 0).any((2, 3))] ** 2).mean()) if every.any() else 0.0
            what = "the standard deviation of the displacement (pixels)"
            if 0 < got < 0.35 * spread:
                wanted = f"expected about {show_value(spread)}, got {show_value(got)}"
                _fail(f"{what}: {wanted}", "elastic-too-weak")
            noise = rng.integers(0, 256, (size, size), dtype=np.uint8)  # a twentieth of a pixel would show
            still = (_pictures(given.often(transform, noise, noise, 2 * n), 2 * n, size)[0] == noise).all((1, 2)).mean()
            if still > 1 / 6:
                _fail("some pictures come out as they went in", "probability-left-at-default" if still < 1 else None)
            if (every == every[:, :1]).all():
                _fail("every call moves the pixels alike", "same-draw-each-time")
            for d in moved:
                _within(math.sqrt((d**2).mean()), spread, 0.15 * spread, what)
            lag = 4  # pixels: so much of it is common to two places that far apart
            apart = math.sqrt(np.mean([((d[..., lag:] - d[..., :-lag]) ** 2).mean() for d in moved]))
            want = spread * math.sqrt(2 * (1 - math.exp(-(lag**2) / (4 * sigma**2))))
            _within(apart, want, 0.2 * want, "the standard deviation of the difference between places 4 pixels apart")
    with case("elastic: the mask moves along and keeps its labels; nothing black comes in", 1):
        label = int(rng.integers(3, 200))
        image = np.where(((ramp // 12) + (ramp.T // 12)) % 2 > 0, 255, 0).astype(np.uint8)
        mask = np.where(image > 0, label, 0).astype(np.uint8)
        transform = student.elastic(*spreads())
        images, masks = _pictures(given.often(transform, image, mask, 6), 6, size, [0, label])
        if (masks == mask).all() and (images != image).any():
            _fail("the picture moved, the mask did not", "image-without-mask")
        apart = ((images > 127) != (masks == label)).mean()
        _within(apart, 0.0, 0.05, "the share of pixels where mask and picture part")
        _within((masks == mask).mean(), 0.75, 0.24, "the share of pixels whose label stays")
        light = np.full_like(image, int(rng.integers(150, 250)))
        images, masks = _pictures(given.often(transform, light, np.full_like(light, label), 6), 6, size, [0, label])
        if (np.abs(images - light) > 1).any() or (masks != label).any():
            _fail("a picture of one grey should stay as it is: something else comes in at its edges")
    with case("relight: a grey picture gets lighter or darker, its mask stays", 1):
        for side, limit in ((24, float(rng.uniform(0.12, 0.17))), (31, float(rng.uniform(0.24, 0.3)))):
            image = rng.integers(90, 160, (side, side), dtype=np.uint8)
            mask = rng.choice([0, 1, 6], (side, side)).astype(np.uint8)
            transform = student.relight(limit)
            images, masks = _pictures(given.often(transform, image, mask, 200), 200, side)
            added = images - image
            if not added.any():
                _fail("every picture comes out as it went in", "hue-on-grey")
            if (masks != mask).any():
                _fail("the mask changes: light has nothing to do with where a defect is")
            if (~added.any((1, 2))).mean() > 0.25:
                _fail("some pictures come out as they went in", "probability-left-at-default")
            if (np.ptp(added, (1, 2)) > 2).any():
                _fail("within a picture, not all pixels changed by the same amount")
            shift = added.mean((1, 2)) / (255 * limit)
            if np.abs(shift).max() > 1 + 2 / (255 * limit):
                _fail("more than limit · 255 was added or taken away")
            _within(np.abs(shift).mean(), 0.5, 0.12, "the mean change in parts of limit · 255")
            _within((shift > 0).mean(), 0.5, 0.2, "the share of pictures that became lighter")
            for level in (10, 245):
                full = np.full((side, side), level, dtype=np.uint8)
                images, _ = _pictures(given.often(transform, full, mask, 20), 20, side)
                if np.abs(images - level).max() > 255 * limit + 2:
                    _fail("beyond 0 and 255 the numbers wrap round: clip them")


# ---- 2 the pipeline

PIPELINES = """
import os
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A
import numpy as np

def often(pipeline, train, size, p_flip, p_one, which, seed, image, mask, n):
    kinds = {"invert": A.InvertImg, "transpose": A.Transpose}
    choices = [kinds[k](p=1) if k in kinds else A.Posterize(num_bits=2, p=1) for k in which]
    transform = pipeline(train, size, p_flip, p_one, choices, seed)
    before = image.copy(), mask.copy()
    out = [transform(image=image, mask=mask) for _ in range(n)]
    if not all(np.array_equal(a, b) for a, b in zip(before, (image, mask))):
        return "changed"
    return [np.stack([np.asarray(o[key]) for o in out]) for key in ("image", "mask")]
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

    def ask(train, size, p_flip, p_one, which, image, mask, n, seed=None, levels=(0, 2, 9)):
        seed = int(rng.integers(2**31)) if seed is None else seed
        got = given.often(student.pipeline, train, size, p_flip, p_one, list(which), seed, image, mask, n)
        if isinstance(got, str) and got == "changed":
            _fail("the pipeline changed the picture or the mask that it was given, which its caller uses again")
        return _pictures(got, n, size, levels)

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
        """No flips, no choices: smaller by an even factor, by one that is not whole, and larger."""
        size, factor = int(rng.integers(9, 15)), int(rng.choice([4, 6]))
        image = rng.integers(0, 256, (factor * size,) * 2, dtype=np.uint8)
        coarse = rng.choice([0, 2, 9], (size, size)).astype(np.uint8)
        images, masks = ask(train, size, 0.0, 0.0, CHOICES, image, np.kron(coarse, np.ones((factor,) * 2, np.uint8)), 2)
        blocks = image.reshape(size, factor, size, factor).astype(float)
        if (np.abs(images - blocks.mean((1, 3))) > 1).any():
            m = factor // 2
            picked = [blocks[:, m - 1 : m + 1, :, m - 1 : m + 1].mean((1, 3)), blocks[:, 0, :, 0], blocks[:, m, :, m]]
            looks = any((np.abs(images - p) <= 1).all() for p in picked)
            _fail("a smaller picture is not the mean over the pixels it stands for",
                  "shrunk-without-averaging" if looks else None)  # fmt: skip
        if (masks != coarse).any():
            _fail("the mask of the smaller picture is not that of the same places")
        for larger in (size * 3 // 2 + 1, size * 2 // 3):
            image, mask = _pattern(rng, larger)
            ask(train, size, 0.0, 0.0, CHOICES, image, mask, 2)

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
    with case("training: picture and mask are resized and move together", 1):
        image, mask = _pattern(rng, size := int(rng.integers(7, 12)))
        asked = ((0.0, 0.0, CHOICES), (1.0, 0.0, CHOICES), (0.0, 1.0, ["transpose"]), (0.5, 0.5, CHOICES))
        for p_flip, p_one, which in asked:
            ways = read(image, mask, *ask(True, size, p_flip, p_one, which, image, mask, 24))
            if p_flip != 0.5 and any(w != (p_flip == 1, p_flip == 1, p_one == 1, "") for w in ways):
                _fail("with probability 1 everything happens in each call, with probability 0 nothing")
        shrink(train=True)
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
        first, again, other = (
            ask(True, size, 0.5, 0.5, CHOICES, image, mask, n, s, None)[0] for s in (seed, seed, seed + 1)
        )
        if all((x == x[0]).all() for x in (first, again, other)):
            moves = (first[0] != image).any() or (other[0] != image).any() or (first != other).any()
            _fail("all calls give the same result", "same-draw-each-time" if moves else None)
        if (first != again).any():
            _fail("two pipelines with the same seed give different pictures", "seed-unused")
        if (first == other).all():
            _fail("pipelines with different seeds give the same pictures")
        if (first == first[0]).all():
            _fail("all calls give the same result", "same-draw-each-time")


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
def tests(split, n, block, gap, seeds):
    return [[[int(i) for i in part] for part in split(n, block, gap, seed)] for seed in seeds]
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
    beside = (of[kept[1:]] != of[kept[:-1]]) & (np.diff(kept) <= gap)
    blocks = -(-n // block)
    if gap > 0 and beside.sum() > n / 4:
        _fail("many neighbours stand in different splits", "neighbours-in-different-splits")
    owners = [{int(k) for k in of[b * block : (b + 1) * block]} - {-1} for b in range(blocks)]
    if any(len(o) > 1 for o in owners):
        many = (of[kept[1:]] != of[kept[:-1]]).sum() > n / 4
        _fail("cells of one block stand in different splits", "neighbours-in-different-splits" if many else None)
    if beside.any():
        name = "gap-missing" if len(kept) == n and gap > 1 else None
        _fail("cells of different splits are nearer to each other than the gap allows", name)
    owner = np.array([next(iter(o), -1) for o in owners])
    for b in range(blocks):  # what is missing must stand beside a border
        missing = [i for i in range(b * block, min((b + 1) * block, n)) if of[i] < 0]
        for i in missing if owner[b] >= 0 or len(missing) > gap else []:  # one no longer than the gap may go whole
            near_by = {int(owner[j // block]) for j in range(max(0, i - gap), min(n, i + gap + 1))}
            if len(near_by) < 2:
                _fail("a cell is missing that has no neighbour of another split within the gap")
    want = blocks // 5
    for k, what in ((1, "validation"), (2, "test")):
        if not want - (owner == -1).sum() <= (owner == k).sum() <= want:
            _fail(f"{what} should have a fifth of the blocks, rounded down")
    return owner


@check("defects/split", points=3)
def split(student: Student, rng: np.random.Generator) -> None:
    """split(n, block, gap, seed) -> cells of training, validation, test; whole blocks, with gaps."""
    given = student.define(SPLITS)

    def make(gap: int | None = None, whole: bool = False) -> tuple[int, int, int]:
        block, blocks = int(rng.integers(11, 17)), int(rng.integers(21, 35))
        gap = int(rng.integers(2, 5)) if gap is None else gap
        last = block if whole else int(rng.integers(2 * gap + 1, block))
        return (blocks - 1) * block + last, block, gap

    def ask(n: int, block: int, gap: int, seeds: list[int]) -> list[np.ndarray]:
        got = given.tests(student.split, n, block, gap, seeds)
        if isinstance(got, Ref) or not isinstance(got, list) or len(got) != len(seeds):
            _fail("the split should be three lists of cells: training, validation, test")
        return [_owners(parts, n, block, gap) for parts in got]

    def some_seeds(k: int) -> list[int]:
        return [int(s) for s in rng.choice(10**6, k, replace=False)]

    with case("whole blocks, a gap at the borders, a fifth each for validation and test", 1):
        for whole in (True, False):
            ask(*make(whole=whole), some_seeds(4))
    with case("no gap, a gap of one, a last block that is short", 1):
        ask(*make(gap=0), some_seeds(2))
        ask(*make(gap=1), some_seeds(2))
        n, block, gap = make(gap=3, whole=True)
        ask(n + 1, block, gap, some_seeds(2))
        ask(9 * block, block, gap, some_seeds(2))
        ask(int(rng.integers(20, 40)), 1, 0, some_seeds(6))  # each cell a block of its own
    with case("dealt at random, by the seed", 1):
        n, block, gap = make()
        seeds = some_seeds(100)
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

    def make(n: int | None = None):
        def inputs(rng):
            k = int(rng.integers(4, 9)) if n is None else n
            of_seed = 0.8 + 0.03 * rng.standard_normal(k)  # common to both arms
            a, b = of_seed + rng.uniform(-0.02, 0.02) + 0.01 * rng.standard_normal(k), of_seed
            return a, b + 0.005 * rng.standard_normal(k), float(rng.choice([0.8, 0.9, 0.95, 0.99]))

        return inputs

    def answers(a, b, confidence):
        wrong = {k: Either(_paired(a, b, confidence, h) for h in hows) for k, hows in PAIRED_MISTAKES.items()}
        return {"right": _paired(a, b, confidence), **wrong, "exchanged": _paired(b, a, confidence)}

    def ask(n: int | None = None) -> list[tuple[bool, int]]:
        (a, b, confidence), known = draw(rng, make(n), answers, **within)
        seeds = [int(s) for s in rng.choice(1000, len(a), replace=False)]
        calls: list[tuple[bool, int]] = []

        def run(augment: Any, seed: Any) -> float:
            augment, seed = bool(plain(augment)), int(plain(seed))
            calls.append((augment, seed))
            if seed in seeds:
                return float((a if augment else b)[seeds.index(seed)])
            return 0.8 + 0.03 * math.sin(seed) + 0.01 * augment * math.cos(seed)  # of a seed that nobody asked for

        got = _row(student.paired(run, seeds, confidence))
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
        calls = ask(40)
        if len(calls) != 80:
            _fail("a run is a whole training: call it once for each arm and seed")


# ---- 5 the threshold


def _bound(k: int, n: int, confidence: float) -> float:
    """Clopper and Pearson's lower bound, one-sided."""
    return float(stats.beta.ppf(1 - confidence, k, n - k + 1)) if k > 0 else 0.0


BOUND = """
import numpy as np
from scipy import stats

def lower_bound(k, n, confidence):
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    bound = np.where(k > 0, stats.beta.ppf(1 - confidence, np.maximum(k, 1), n - k + 1), 0.0)
    return float(bound) if bound.ndim == 0 else bound

def threshold(score, defective, required, confidence):
    score, defective = np.asarray(score), np.asarray(defective).astype(bool)
    caught = np.sort(score[defective])[::-1]
    for k in range(1, len(caught) + 1):
        if lower_bound(k, len(caught), confidence) >= required:
            return float(caught[k - 1])
    return None
"""
_given: dict = {"__name__": __name__}
exec(BOUND, _given)


def _approximate(k: int, n: int, confidence: float) -> Either:
    """Normal, Wilson, Jeffreys; and the upper bounds' mirror images are none of them."""
    z, p = stats.norm.ppf(confidence), k / n
    normal = p - z * math.sqrt(p * (1 - p) / n)
    wilson = (p + z**2 / (2 * n) - z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)
    return Either([normal, wilson, float(stats.beta.ppf(1 - confidence, k + 0.5, n - k + 0.5))])


@check("defects/threshold", points=4)
def threshold(student: Student, rng: np.random.Generator) -> None:
    """lower_bound(k, n, confidence) -> float; threshold(score, defective, required, confidence) -> float or None."""
    within = {"eps": 2.0**-20}

    def make(rng):
        n = int(rng.integers(20, 90))
        return int(rng.integers(n // 2, n)), n, float(rng.choice([0.8, 0.9, 0.95, 0.975]))

    def bounds(k, n, confidence):
        return {
            "right": _bound(k, n, confidence),
            "two-sided-bound": _bound(k, n, (1 + confidence) / 2),
            "approximate-bound": _approximate(k, n, confidence),
            "share": k / n,
            "upper": float(stats.beta.ppf(confidence, k + 1, n - k)),
        }

    with case("the exact lower bound of a share", 1):
        for _ in range(4):
            inputs, known = draw(rng, make, bounds, **within)
            right = known.pop("right")
            known = {k: known[k] for k in ("two-sided-bound", "approximate-bound")}  # the others have no name
            near(student.lower_bound(*inputs), right, suspects=known, what="the lower bound", **within)
    with case("the bound of none, of all, of a single one", 1):
        n, confidence = int(rng.integers(5, 60)), float(rng.choice([0.8, 0.9, 0.95]))
        for k, m in ((0, n), (n, n), (0, 1), (1, 1), (1, n)):
            near(student.lower_bound(k, m, confidence), _bound(k, m, confidence), what="the lower bound", **within)

    def cells(ties: bool = False, dtype: torch.dtype = torch.float32):
        def inputs(rng):
            bad, good = int(rng.integers(50, 90)), int(rng.integers(250, 400))
            defective = torch.zeros(bad + good, dtype=torch.bool)
            defective[torch.from_numpy(rng.choice(bad + good, bad, replace=False))] = True
            score = rng.normal(0.0, 1.0, bad + good) + 1.6 * defective.numpy()
            score = np.round(score, 1) if ties else score
            return (torch.from_numpy(score).to(dtype), defective, float(rng.uniform(0.75, 0.9)),
                    float(rng.choice([0.9, 0.95])))  # fmt: skip

        return inputs

    def thresholds(score, defective, required, confidence):
        caught = score[defective].sort(descending=True).values
        n = len(caught)
        plain_k = next(k for k in range(1, n + 1) if k / n >= required)
        every = score.unique()
        right = torch.stack([((score >= t) == defective).sum() for t in every])
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
        beside += [caught[caught > known["right"]].min().item(), caught[caught < known["right"]].max().item()]
        return known | {"next": Either(beside)}

    def ask(**how) -> tuple:
        inputs, known = draw(rng, cells(**how), thresholds)
        right = known.pop("right")
        known = {k: known[k] for k in ("threshold-without-bound", "accuracy-under-imbalance")}  # others have no name
        near(student.threshold(*inputs), right, suspects=known, what="the threshold")
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
            return (a, of_a), (b, of_b), float(rng.uniform(0.7, 0.85)), float(rng.choice([0.9, 0.95]))

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


# ---- 7 how sure


def _resampled(alarm: Tensor, defective: Tensor, block: Tensor, drawn: Tensor) -> Tensor:
    B = int(drawn.max()) + 1 if drawn.numel() else 1
    B = max(B, int(block.max()) + 1)
    hits = torch.zeros(B, dtype=torch.float64).index_add(0, block, (alarm & defective).double())
    bad = torch.zeros(B, dtype=torch.float64).index_add(0, block, defective.double())
    return hits[drawn].sum(1) / bad[drawn].sum(1)


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
            if not empty:  # blocks keep together, but stand in any order
                order = rng.permutation(B)
                where = np.concatenate([np.flatnonzero(block == b) for b in order])
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
            near(student.resampled(*inputs), right, suspects=known, what="the recalls", **within)
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
                x = rng.random(int(rng.integers(150, 400)))
                if holes:
                    x[rng.choice(len(x), 20, replace=False)] = np.nan
                return torch.from_numpy(x), float(rng.choice([0.8, 0.9, 0.95]))

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
