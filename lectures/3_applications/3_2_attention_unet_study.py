"""The study behind lecture 3.2: what attention gates change on synthetic lungs with real nodule shapes.

    python lectures/3_applications/3_2_attention_unet_study.py            # everything, a quarter of an hour
    python lectures/3_applications/3_2_attention_unet_study.py seconds    # one part; the others keep result and date

Writes 3_2_attention_unet_study.json beside this file; the part `gates` notes each run as soon as it is there and goes
on where it was cut off. Shapes, sizes and ratings are those of LIDC's readers; intensities are ours, so no number of
`gates` says what gates do for people's scans.

    border     how much volume is added where the outline's own pixels are filled, by size, over all readings of LIDC
    shapes     LIDC's relevant nodules beside those of the synthetic cases: diameters, volumes, ratings, spacing
    gates      the same network with and without gates, on the same cases, patches and seeds: FROC of 40 test cases
    seconds    CPU seconds a case by sliding window, one thread: a block as in the study, and one as large as a chest
"""

import functools
import time

import numpy as np
import torch

from quintet import attention_unet as au
from quintet import study
from quintet.data import lidc
from quintet.study import Row

SEEDS = range(6)
CHANNELS, STRIDES = (8, 16, 32), ((1, 2, 2), 2)  # the first stride leaves slices alone: 2.5 mm against 1.25 in a slice
TRAIN, TEST = 40, 40  # cases
PATCH, BATCH, STEPS, RATE = (12, 24, 24), 8, 250, 3e-3
WINDOW, OVERLAP, FLOOR = (32, 48, 48), 0.25, 0.05  # FLOOR: voxels below it are in no candidate
CHEST = (120, 280, 280)  # voxels: 300 × 350 × 350 mm
EDGES = (0, 5, 7, 10, 15, 20, 200)  # mm
PERCENTS = (5, 25, 50, 75, 95)


@functools.lru_cache(maxsize=2)
def load(split: str, count: int, seed: int) -> list[lidc.Case]:
    return lidc.cases(split, count, seed)


def train(seed: int, gates: bool, steps: int = STEPS) -> tuple[au.AttentionUnet3d, list[float]]:
    """A network trained on the seed's cases, and its losses. Gates or not, a seed draws the same patches."""
    cases, rng = load("train", TRAIN, seed), np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = au.AttentionUnet3d(channels=CHANNELS, strides=STRIDES, gates=gates)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in range(steps):
        losses.append(au.train_step(model, optimizer, *au.patches(cases, PATCH, BATCH, rng)).item())
        schedule.step()
    return model.eval(), losses


def probability(model: torch.nn.Module, case: lidc.Case, blend: str = "gaussian") -> np.ndarray:
    volume = au.window(torch.from_numpy(case.hu))[None, None]
    return au.sliding_window(volume, WINDOW, lambda x: model(x).sigmoid(), OVERLAP, blend)[0, 0].numpy()


def gates_run(seed: int, gates: bool) -> Row:
    began = time.process_time()
    model, losses = train(seed, gates)
    trained = time.process_time()
    matches, dice = [], []
    for case in load("test", TEST, 0):
        p = probability(model, case)
        matches.append(au.match(au.candidates(p, case.spacing, FLOOR), case.findings))
        dice.append(au.dice_score(torch.from_numpy(p > 0.5), torch.from_numpy(case.target)))
    curve = au.froc(matches)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss": round(float(np.mean(losses[-20:])), 4),
        "sensitivity": curve.at(au.POINTS).round(4).tolist(),
        "score": round(curve.score, 4),
        "reached": round(float(curve.sensitivity[-1]), 4),
        "most_false": round(float(curve.false_positives[-1]), 3),
        "dice": round(float(np.mean(dice)), 4),
        "cpu_seconds": [round(trained - began, 1), round(time.process_time() - trained, 1)],
    }


def gates() -> Row:
    runs = {"on": lambda seed: gates_run(seed, True), "off": lambda seed: gates_run(seed, False)}
    rows = study.over_seeds(__file__, "gates", runs, SEEDS, SETTINGS["gates"])
    relevant = sum(f.relevant for case in load("test", TEST, 0) for f in case.findings)
    return {"runs": rows, "relevant": relevant, "findings": sum(len(c.findings) for c in load("test", TEST, 0))}


def border() -> Row:
    """By diameter: volume with the border over volume without, and over the area within the polygon of the outline."""
    rows = []
    for scan in lidc.scans():
        for reading in lidc.readings(scan):
            without = int(reading.mask[0].sum())
            filled = int(lidc.voxels(reading.outlines, scan.slices, border=True)[0].sum())
            rows.append((reading.diameter, filled, without))
    diameter, filled, without = np.array(rows).T
    found = []
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        here = (low <= diameter) & (diameter < high) & (without > 0)
        ratio = filled[here] / without[here]
        found.append({"from": low, "to": high, "readings": int(here.sum()), "median": round(float(np.median(ratio)), 3),
                      "quartiles": np.percentile(ratio, (25, 75)).round(3).tolist()})  # fmt: skip
    return {"classes": found, "readings": len(rows), "empty": int((without == 0).sum())}


def shapes() -> Row:
    every = [n for scan in lidc.scans() for n in lidc.nodules(scan)]
    relevant = [n for n in every if n.relevant and n.diameter <= 30]
    cases = load("train", TRAIN, 0) + load("test", TEST, 0)
    placed = [
        (f.diameter, (case.labels == k).sum() * np.prod(case.spacing), case.hu[case.labels == k].mean())
        for case in cases for k, f in enumerate(case.findings, 1) if f.relevant
    ]  # fmt: skip
    lung = np.concatenate([case.hu[(case.labels == 0) & (case.hu < -600)].ravel() for case in cases])

    def percentiles(values) -> list[float]:
        return np.percentile(np.asarray(values, float), PERCENTS).round(2).tolist()

    return {
        "percents": PERCENTS,
        "lidc": {
            "scans": len(lidc.scans()),
            "patients": len({scan.patient for scan in lidc.scans()}),
            "nodules": len(every),
            "by_readers": np.bincount([len(n.readings) for n in every], minlength=5)[1:].tolist(),
            "relevant": len(relevant),
            "diameter": percentiles([n.diameter for n in relevant]),
            "volume": percentiles([n.mask.sum() * np.prod(n.scan.spacing) for n in relevant]),
            "per_scan": percentiles([sum(n.relevant for n in lidc.nodules(s)) for s in lidc.scans()]),
            "texture": np.bincount([round(n.texture) for n in relevant], minlength=6)[1:].tolist(),
            "slices_mm": percentiles([s.spacing[0] for s in lidc.scans()]),
            "pixel_mm": percentiles([s.spacing[1] for s in lidc.scans()]),
        },
        "synthetic": {
            "cases": len(cases),
            "relevant": len(placed),
            "irrelevant": sum(not f.relevant for c in cases for f in c.findings),
            "diameter": percentiles([p[0] for p in placed]),
            "volume": percentiles([p[1] for p in placed]),
            "per_case": percentiles([sum(f.relevant for f in c.findings) for c in cases]),
            "hu": percentiles([p[2] for p in placed]),
            "lung_hu": [round(float(lung.mean()), 1), round(float(lung.std()), 1)],
        },
    }


def seconds() -> Row:
    torch.manual_seed(0)
    found = {}
    for name, shape, repeats in (("block", lidc.SHAPE, 5), ("chest", CHEST, 3)):
        volume = torch.rand(1, 1, *shape)
        for gated in (True, False):
            model = au.AttentionUnet3d(channels=CHANNELS, strides=STRIDES, gates=gated).eval()
            took = []
            for _ in range(repeats):
                began = time.process_time()
                au.sliding_window(volume, WINDOW, lambda x, model=model: model(x).sigmoid(), OVERLAP)
                took.append(time.process_time() - began)  # neighbours on a shared machine do not count
            found[f"{name} {'on' if gated else 'off'}"] = {
                "shape": shape, "median": round(float(np.median(took)), 3),
                "quartiles": np.percentile(took, (25, 75)).round(3).tolist(), "repeats": repeats,
            }  # fmt: skip
    return found


NETWORK = {"channels": CHANNELS, "strides": STRIDES, "window": WINDOW, "overlap": OVERLAP, "dtype": "fp32"}
SETTINGS = {
    "border": {"edges_mm": EDGES},
    "shapes": {"train": TRAIN, "test": TEST, "seed": 0, "largest_mm": 30},
    "gates": NETWORK | {
        "seeds": len(SEEDS), "train": TRAIN, "test": TEST, "patch": PATCH, "batch": BATCH, "steps": STEPS,
        "rate": RATE, "floor": FLOOR, "points": au.POINTS,
    },
    "seconds": NETWORK | {"chest": CHEST},
}  # fmt: skip

if __name__ == "__main__":
    parts = {"border": border, "shapes": shapes, "seconds": seconds, "gates": gates}
    study.run(__file__, parts, SETTINGS, ["quintet", "torch", "numpy", "scipy", "pylidc"])
