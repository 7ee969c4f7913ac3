"""ELPV: 2,624 solar cells, 300 x 300 pixels, grey, each with a probability of being defective that experts gave.

Licence: CC BY-NC-SA 4.0, **no commercial use**; whoever passes a picture on passes the licence on with it. Nothing of
it is stored in this repository.
Provenance: github.com/zae-bayern/elpv-dataset, as packed in `elpv-dataset` (PyPI), which set-up installs.
Citation: C. Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in
Electroluminescence Imagery", EU PVSEC 2018; S. Deitsch et al., "Automatic Classification of Defective Photovoltaic
Module Cells in Electroluminescence Images", Solar Energy 185, 2019.

A current runs through the cell and it glows in the infrared: cracks and dead regions stay dark.

    probability    0 (1,508 cells), 1/3 (295), 2/3 (106) or 1 (715). 1/3 and 2/3 are what experts were not sure of
    kind           "mono" (1,074) or "poly" (1,550): of one crystal, dark and even, or of many, with visible grain
    order          as in the file: cells cut from the same module, of which there were 44, stand together. Which cell is
                   of which module is not given, nor are there masks of the defects
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from quintet.data import DataMissing, atomic, cache_dir

LICENCE = "ELPV, CC BY-NC-SA 4.0 (Buerhop-Lutz, Deitsch et al.): not for commercial use"
CELLS = 2624
SIDE = 128  # pixels of the copy in the cache; the package has 300
REMEDY = "Run `make setup`, then `make data` (or copy another machine's cache here and set QUINTET_CACHE)"


def folder() -> Path:
    return cache_dir() / "elpv"


def present() -> bool:
    """Is the copy of 128 x 128 pixels in the cache, and whole?"""
    return _stored() is not None


def load() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (2624, 128, 128) uint8, and the probability of a defect (2624,) float64: 0, 1/3, 2/3 or 1.

    Each pixel is the mean of the 2.34 x 2.34 that it covers. The arrays are the caller's own. Raises DataMissing where
    the copy is not in the cache.
    """
    images, probability, _ = _read()
    return images, probability


def kinds() -> np.ndarray:
    """Of each cell "mono" or "poly": (2624,) strings, in the order of `load`."""
    return _read()[2]


def fetch(say: Callable[[str], None] = print) -> bool:
    """Put a copy of 128 x 128 pixels into the cache unless it is there; True if that took doing."""
    if present():
        return False
    source = _package()
    if source is None:
        raise DataMissing(f"ELPV's package `elpv-dataset` is not installed: {REMEDY}.")
    say(f"ELPV: making smaller copies of {CELLS:,} solar cells. {LICENCE}")
    images, probability, kind = _shrunk(source)
    try:
        with atomic(_file()) as part, part.open("wb") as stream:
            np.savez(stream, images=images, probability=probability, kind=kind)
    except OSError as error:
        raise DataMissing(
            f"ELPV cannot be written to {cache_dir()} ({error.strerror or error}): make room (45 MB) or set "
            "QUINTET_CACHE to a folder that can be written, then run `make data`."
        ) from error
    return True


def _package() -> Path | None:
    """Where the installed package keeps its pictures; found without importing it."""
    found = importlib.util.find_spec("elpv_dataset")
    return Path(found.submodule_search_locations[0]) / "data" if found and found.submodule_search_locations else None


def _file() -> Path:
    return folder() / f"cells-{SIDE}.npz"


def _read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = _stored()
    if found is None:
        raise DataMissing(f"ELPV's solar cells are not in {cache_dir()}, or not whole: {REMEDY}.")
    return found


def _stored() -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What the cache holds; None if that is nothing, cut off or of another shape. (The zip's checksums see to it.)"""
    try:
        with np.load(_file()) as file:
            images, probability, kind = (file[name] for name in ("images", "probability", "kind"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = images.shape == (CELLS, SIDE, SIDE) and len(probability) == len(kind) == CELLS
    return (images, probability, kind) if whole else None


def _shrunk(source: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from PIL import Image

    try:
        rows = [line.split() for line in (source / "labels.csv").read_text().splitlines()]
    except OSError as error:
        raise DataMissing(f"ELPV's package holds no labels ({error.strerror}): {REMEDY}.") from error
    images = np.empty((len(rows), SIDE, SIDE), np.uint8)
    for image, (path, _, _) in zip(images, rows, strict=True):
        with Image.open(source / path) as picture:
            image[:] = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    thirds = np.round(3 * np.array([float(p) for _, p, _ in rows])) / 3  # the file has 0.3333333333333333
    return images, thirds, np.array([kind for _, _, kind in rows])
