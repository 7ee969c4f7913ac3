"""How fast a class is graded, beside stock `nbgrader autograde`: whole commands, start-up included.

The class hands in a lab that imports torch, torchvision and albumentations and computes little: an augmented picture
that a small network sees, a plot, and lab 2.1's six steps with their checks. Stock nbgrader 0.9.6 runs the same
notebooks in its own way (a kernel for each, `check` in the kernel) before and after ours, half each.
"""

import collections
import contextlib
import copy
import functools
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil

from quintet_grading import bank, notebooks
from quintet_grading.bench import whole
from quintet_grading.course import solution

LAB, SOURCE = "9_0_amp", "2_1_amp"
STOCK = 8  # submissions that stock nbgrader grades
SETUP = """
import albumentations as A
import matplotlib.pyplot as plt
import numpy as np
import torch
import torchvision
from torch import nn

from quintet import check
"""
LITTLE = """
picture = A.Compose([A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)])(
    image=np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
)["image"]
layer = torchvision.ops.Conv2dNormActivation(3, 8)
model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
with torch.no_grad():
    scores = model(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
fig, ax = plt.subplots(figsize=(4, 2))
ax.plot(scores[0].numpy())
plt.show()
"""
STOCK_CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "bench"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ExecutePreprocessor.timeout = 120
"""


def lab() -> nbformat.NotebookNode:
    """The bench's lab as an instructor would write it, with the steps of lab 2.1."""
    source = nbformat.read(solution(SOURCE), as_version=4)
    made = nbformat.v4.new_notebook(metadata=source.metadata)
    for number, text in enumerate((SETUP, LITTLE)):
        made.cells.append(nbformat.v4.new_code_cell(text.strip(), id=f"little-{number}"))
    for cell in source.cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and (about.get("solution") or about.get("grade")):
            made.cells.append(copy.deepcopy(cell))
    return made


class Class:
    """Folders with the lab, and as many submissions of its reference as are asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {**os.environ, "QUINTET_LABS": str(folder), "QUINTET_STATE": str(folder / "state")}
        path = folder / "solutions" / LAB / f"{LAB}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(lab(), path)
        with _environment(self.env):
            notebooks.generate(LAB, folder / "labs")
            self.handed_in = nbformat.writes(bank.submission(LAB, bank.cases(LAB)[0]))

    def submitted(self, folder: Path, students: int) -> Path:
        for n in range(students):
            path = folder / "submitted" / f"student-{n:04d}" / LAB / f"{LAB}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(self.handed_in, encoding="utf-8")
        return folder / "submitted"

    def ours(self, students: int, workers: int = 2) -> float:
        """Seconds that `quintet grade` takes."""
        return self._graded(students, workers, contextlib.nullcontext)

    def peak(self, students: int, workers: int = 2) -> int:
        """Bytes that it and all its processes hold at most; a run of its own, since to look at them costs time."""
        sizes: list[int] = []
        self._graded(students, workers, lambda pid: _sampled(pid, sizes))
        return max(sizes)

    def _graded(self, students: int, workers: int, watch: Callable[[int], contextlib.AbstractContextManager]) -> float:
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as scratch:
            submitted, result = self.submitted(Path(scratch), students), Path(scratch) / "grades.json"
            words = ["grade", LAB, "--submitted", submitted, "--workers", str(workers), "--json", result]
            env = {**self.env, "QUINTET_COURSE": scratch, "QUINTET_DB": ""}
            start = time.monotonic()
            with open(Path(scratch) / "said", "w") as said:
                process = subprocess.Popen(
                    [Path(sys.prefix) / "bin" / "quintet", *words], env=env, stdout=said, stderr=subprocess.STDOUT
                )
                with watch(process.pid):
                    process.wait()
            seconds = time.monotonic() - start
            grades = json.loads(result.read_text())
            assert [g["score"] for g in grades] == [20] * students, (Path(scratch) / "said").read_text()[-2000:]
            return seconds

    def stock(self, students: int) -> float:
        """Seconds that stock `nbgrader autograde` takes."""
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as scratch:
            folder = Path(scratch)
            self.submitted(folder, students)
            source = folder / "source" / LAB / f"{LAB}.ipynb"
            source.parent.mkdir(parents=True)
            nbformat.write(lab(), source)
            (folder / "nbgrader_config.py").write_text(STOCK_CONFIG)
            self._nbgrader(folder, "generate_assignment", LAB)
            start = time.monotonic()
            self._nbgrader(folder, "autograde", LAB)
            seconds = time.monotonic() - start
            self._nbgrader(folder, "export")
            assert (folder / "grades.csv").read_text().count(",20.0,20.0") == students, "stock gave other grades"
            return seconds

    def _nbgrader(self, folder: Path, *words: str) -> None:
        bin = Path(sys.prefix) / "bin"
        env = {**self.env, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run([bin / "nbgrader", *words], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


@contextlib.contextmanager
def _environment(env: dict[str, str]):
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _sampled(pid: int, sizes: list[int]):
    """Append to `sizes`, twice a second, the memory of a process and its descendants: what each holds alone and its
    share of what several hold (PSS), in bytes."""
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.5):
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                total = 0
                for process in [root, *root.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error, OSError):
                        total += process.memory_full_info().pss
                sizes.append(total)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@functools.cache
def _class() -> Class:
    folder = tempfile.TemporaryDirectory(prefix="quintet-bench-")
    made = Class(Path(folder.name))
    made.keep = folder  # removed with the class
    return made


def _beside_stock(students: int) -> tuple[float, float]:
    one = _class()
    before = one.stock(STOCK // 2)
    ours = one.ours(students)
    after = one.stock(STOCK - STOCK // 2)
    print(f"{students} submissions in {ours:.1f} s; stock: {STOCK} in {before:.1f} + {after:.1f} s")
    return ours / students, (before + after) / STOCK


@whole(name="grading/throughput-100", peer="nbgrader autograde", bar=30.0)
def throughput_100() -> tuple[float, float]:
    return _beside_stock(100)


@whole(name="grading/throughput-1000", peer="nbgrader autograde", bar=45.0)
def throughput_1000() -> tuple[float, float]:
    return _beside_stock(1000)


@whole(name="grading/two-workers", peer="one worker", bar=1.7)
def two_workers() -> tuple[float, float]:
    """Seconds that one more submission takes: a large class less a small one, so that start-up drops out. The least of
    three rounds, since whatever else the machine does only adds."""
    one, times = _class(), collections.defaultdict(list)
    for _ in range(3):
        for students, workers in itertools.product((20, 220), (1, 2)):
            times[students, workers].append(one.ours(students, workers))
    print(f"two workers hold at most {one.peak(60) / 1e9:.2f} GB")
    both, alone = ((min(times[220, w]) - min(times[20, w])) / 200 for w in (2, 1))
    return both, alone
