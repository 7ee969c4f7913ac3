"""The recommended order of an augmentation pipeline beside the tutorial's: the same transforms, another order."""

import math
from typing import Any

import albumentations as A
import cv2
import numpy as np

from quintet import defects
from quintet_grading.bench import Side, bench

CELLS, CAMERA, SIDE = 64, 300, 128  # pictures; pixels of the camera's, and of what the network reads
BEND, SIGMA = 1.5, 6.0  # standard deviation and smoothness of the deformation, in pixels of the small picture


def agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Both sides make the same kind of thing; single pixels differ, as the deformation is drawn on another grid.

    A flip moves no mean, and the deformation hardly: so the mean of all pictures agrees to what brightness adds, within
    ±0.2 on half of the pictures. Compared is also the fineness, the standard deviation within the pictures.
    """
    assert ours.shape == theirs.shape == (CELLS, SIDE, SIDE) and ours.dtype == theirs.dtype == np.float32
    spread = 0.2 / defects.STD / math.sqrt(3) / math.sqrt(CELLS)  # of the mean of so many uniform changes
    assert abs(ours.mean() - theirs.mean()) < 6 * math.sqrt(2) * spread
    assert abs(ours.std((1, 2)).mean() / theirs.std((1, 2)).mean() - 1) < 0.15


def deformation(side: int) -> A.ElasticTransform:
    """The same deformation on a picture of another size: both its lengths grow with the side."""
    return defects.bends(BEND * side / SIDE, SIGMA * side / SIDE)


def sides(deform_at: int, order: Any) -> Side:
    rng = np.random.default_rng(0)
    cells = [defects.cell(CAMERA, rng, kind) for kind in ("mono", "poly") * (CELLS // 2)]
    some = A.OneOf([deformation(deform_at), A.RandomBrightnessContrast(0.2, 0, p=1)], p=0.5)
    pipeline = defects.seeded(order([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), some]), 0)

    def run() -> np.ndarray:
        return np.stack([pipeline(image=cell)["image"] for cell in cells])

    return run


@bench(peer="the tutorial's order", bar=1.0, agree=agree, seconds=60.0)
def pipeline():
    """64 pictures of 300 × 300 to 128 × 128 floats: flips, then a deformation or brightness in every second.

    The tutorial transforms the camera's picture and makes it small last; the recommended order makes it small first.
    Both end in floats. Fewer pixels, and a Gaussian that is smaller with them, are what the order saves.
    """
    cv2.setNumThreads(0)
    small, floats = defects.resize(SIDE), A.Normalize(defects.MEAN, defects.STD, max_pixel_value=255)
    ours = sides(SIDE, lambda change: [small, *change, floats])
    theirs = sides(CAMERA, lambda change: [*change, small, floats])
    return ours, theirs
