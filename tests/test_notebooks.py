"""Lectures run as stored, labs are what solutions generate, and both keep their budgets."""

import re
import resource
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import psutil
import pytest

from quintet_grading import notebooks
from quintet_grading.course import ROOT, labs

LECTURES = notebooks.lectures()

# What notebooks spend their time on: importing, then small convolutions in fp32 and fp16. A budget's seconds are CPU
# seconds of a machine that needs YARDSTICK_SECONDS for it; slower and faster machines are allowed in proportion.
YARDSTICK = """
import torch
from timm.models.resnet import BasicBlock, ResNet

net = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=10, in_chans=1, channels=(8, 16, 32, 64))
torch.set_num_threads(1)  # threads that wait for each other also take CPU time
x = torch.randn(32, 1, 28, 28, generator=torch.Generator().manual_seed(0))
for dtype in [torch.float32, torch.float16] * 5:
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss = net(x).float().square().mean()
    loss.backward()
"""
YARDSTICK_SECONDS = 5.0


def slowness() -> float:
    """How many times longer than the budgets' machine this one takes just now."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", YARDSTICK], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / YARDSTICK_SECONDS


class Watch:
    """Largest memory (bytes) of this process's new descendants together, and the CPU time that they had, in seconds of
    the budgets' machine; sampled.

    New ones only: other tests leave processes that last. CPU time and not the clock on the wall: on a shared machine
    that measures the neighbours.
    """

    def __enter__(self) -> "Watch":
        self._slowness = [slowness()]
        self._before = set(psutil.Process().children(recursive=True))
        self.peak, self._cpu, self._stop = 0, {}, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._slowness.append(slowness())

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values()) / statistics.mean(self._slowness)

    def _look(self) -> None:
        while not self._stop.wait(0.2):
            total = 0
            for process in set(psutil.Process().children(recursive=True)) - self._before:
                try:
                    total += process.memory_info().rss
                    times = process.cpu_times()
                except psutil.Error:  # it ended between the listing and the look
                    continue
                self._cpu[process.pid] = times.user + times.system
            self.peak = max(self.peak, total)


def marked(notebook: nbformat.NotebookNode) -> dict[str, list[str]]:
    """What the cells print or return whose output is to be the same each time; nbval's mark."""
    code = [c for c in notebook.cells if c.cell_type == "code" and "# NBVAL_CHECK_OUTPUT" in c.source]
    return {c.id: [o.get("text") or o.data.get("text/plain", "") for o in c.outputs] for c in code}


@pytest.mark.slow
@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_a_lecture_runs_in_its_budget_silently_and_reproduces_its_marked_outputs(path):
    stored = nbformat.read(path, as_version=4)
    budget = stored.metadata.quintet.budget
    assert budget.seconds <= 60 and budget.memory_gb <= 4
    with Watch() as used:
        done = notebooks.execute(path)
    print(f"{path.stem}: {used.cpu_seconds:.0f} s of {budget.seconds}, {used.peak / 1e9:.1f} GB of {budget.memory_gb}")
    outputs = [o for c in done.cells if c.cell_type == "code" for o in c.outputs]
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []
    assert marked(done) == marked(stored) != {}
    assert 0 < used.peak < budget.memory_gb * 1e9
    assert 0 < used.cpu_seconds < budget.seconds


@pytest.mark.slow
def test_nbval_reads_the_marks_as_we_do():
    """In one lecture; above the marked outputs of all are compared, in the run that is held to the budget."""
    path = LECTURES[0]
    words = ["-p", "no:cacheprovider", "--nbval-lax", "-q", "-x", str(path), "--rootdir", str(path.parent)]
    done = subprocess.run([sys.executable, "-m", "pytest", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_a_lecture_is_stored_executed_with_alt_texts(path):
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1)), "executed in order, in one go"
    outputs = [o for c in code for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    pages = ["".join(o.data["text/html"]) for o in outputs if "text/html" in o.get("data", {})]
    images = [tag for page in pages for tag in re.findall(r"<img\b[^>]*>", page)]
    assert images and all(re.search(r'alt="[^"]{20,}"', tag) for tag in images)
    assert not [o for o in outputs if "image/png" in o.get("data", {})], "a picture without alt text: use show.picture"


@pytest.mark.parametrize("path", LECTURES, ids=lambda p: p.stem)
def test_a_lecture_keeps_the_house_rules(path):
    notebook = nbformat.read(path, as_version=4)
    parameters = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(parameters) == 1 and all(name in parameters[0].source for name in ("SCALE", "DEVICE", "SEED"))
    text = "\n".join(c.source for c in notebook.cells)
    assert not re.search(r"^\s*[!%]\s*pip|pip install", text, re.MULTILINE), "no install cells"
    assert re.search(r"[\u4e00-\u9fff]", text), "Chinese terms beside English ones"
    assert f"labs/{path.stem}" in text, "a lecture leads to its lab"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 40, cell.id
        assert re.fullmatch(r"[a-z0-9-]+", cell.id) and not re.fullmatch(r"[0-9a-f]{8}", cell.id), (
            "ids are readable and stable"
        )


def test_the_readme_shows_the_ledger():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert notebooks.with_claims(text) == text, "out of date: run make readme"


@pytest.mark.slow
@pytest.mark.parametrize("lab", labs())
def test_labs_are_what_solutions_generate(lab, tmp_path):
    made = notebooks.generate(lab, tmp_path)
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        kept = ROOT / "labs" / lab / path.relative_to(made)
        assert kept.read_bytes() == path.read_bytes(), f"{path.name} is out of date: run make labs"


@pytest.mark.parametrize("lab", labs())
def test_a_released_lab_shows_no_solution_and_raises_where_code_is_asked(lab):
    text = (ROOT / "labs" / lab / f"{lab}.ipynb").read_text(encoding="utf-8")
    assert not re.search("BEGIN SOLUTION|BEGIN HIDDEN|MARK SCHEME", text)
    for cell in nbformat.reads(text, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            if cell.metadata.get("nbgrader", {}).get("solution"):
                assert "raise NotImplementedError" in cell.source


@pytest.mark.slow
@pytest.mark.parametrize("lab", labs())
def test_a_solved_lab_runs_in_its_budget_with_full_marks_in_stock_jupyter(lab, tmp_path, monkeypatch):
    """What a student sees: every self-check full, nothing on stderr, and stock nbgrader reads full marks from it."""
    from nbgrader.utils import determine_grade, is_grade

    monkeypatch.setenv("QUINTET_STATE", str(tmp_path))
    path = Path(ROOT / "solutions" / lab / f"{lab}.ipynb")
    budget = nbformat.read(path, as_version=4).metadata.quintet.budget
    with Watch() as used:
        done = notebooks.execute(path)
    outputs = [o for c in done.cells if c.cell_type == "code" for o in c.outputs]
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []
    for cell in done.cells:
        if is_grade(cell) and cell.cell_type == "code":
            got, most = determine_grade(cell)
            assert got == most, cell.source
    assert 0 < used.cpu_seconds < budget.seconds
    assert used.peak < budget.memory_gb * 1e9
