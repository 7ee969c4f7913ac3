"""The same work earns the same points, and is told of the same mistakes, wherever a check runs: in the student's own
notebook, under the referee, and under nbgrader as it comes. With the same, public inputs in all three.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from quintet import checks
from quintet_grading import bank, run
from quintet_grading.course import labs, solution
from quintet_grading.station import preload

BIN = Path(sys.executable).parent
WRONG_UNDER_STOCK = 3  # a lab, of those with a name, evenly spaced: a stock run takes seconds a submission
Found = dict[str, tuple[float, frozenset[str]]]  # check id -> points, misconceptions named

# A student's machine: libraries imported once, then a process for each notebook, whose cells run in a plain shell.
# check() is what the notebook imports; what it displays and returns is all that is looked at.
SELF_CHECK = """
import importlib, json, os, signal, sys
modules, scale, jobs = json.load(sys.stdin)
for module in modules:
    importlib.import_module(module)
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
torch.set_num_threads(1)  # a child of a parent with more hangs in its first parallel operation
torch.optim.SGD([torch.zeros(1)], lr=0.0).step()  # the first one imports torch's compiler: once, and not in every child

def cells(sources):
    shell, found = InteractiveShell.instance(), []
    shell.history_manager.enabled = False
    for i, (id, source) in enumerate(sources):
        with capture_output() as said:
            result = shell.run_cell(source)
        if i == 0:
            shell.user_ns["SCALE"] = scale
        if id:
            found.append([id, result.result, [o.data.get("text/plain", "") for o in said.outputs]])
    return found

running = set()
for name, sources, out in jobs:
    if len(running) == 2:
        running.discard(os.wait()[0])
    pid = os.fork()
    if pid == 0:
        code = 1
        signal.alarm(300)  # ends it, should all else fail
        try:
            with open(out, "w") as file:
                json.dump(cells(sources), file)
            code = 0
        finally:
            os._exit(code)
    running.add(pid)
while running:
    running.discard(os.wait()[0])
"""


def titles(lab: str) -> dict[str, str]:
    """Misconceptions by the title that a report gives."""
    ids = [id for id in map(run.check_id, run.read(solution(lab)).cells) if id]
    known = {k: m.title for id in ids for k, m in checks.find(id).misconceptions().items()}
    assert len(set(known.values())) == len(known), "a title tells which one it is"
    return {title: k for k, title in known.items()}


def named(lab: str, text: str) -> frozenset[str]:
    said = re.findall(r"This looks like: (.*)\.$", text, flags=re.MULTILINE)
    return frozenset(titles(lab)[title] for title in said)


def environment(folder: Path) -> dict[str, str]:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **threads, "PATH": path, "QUINTET_STATE": str(folder / "state")}


def self_checked(lab: str, cases: list[bank.Case], folder: Path) -> dict[str, Found]:
    jobs = []
    for case in cases:
        code = [c for c in bank.submission(lab, case).cells if c.cell_type == "code"]
        assert "SCALE" in code[0].source, "the first cell holds the parameters"
        jobs.append([case.name, [[run.check_id(c), c.source] for c in code], str(folder / f"{case.name}.json")])
    settings = json.dumps([[*preload(lab), "quintet.checks.notebook"], "grade", jobs])
    env = {**environment(folder), "MPLBACKEND": "module://matplotlib_inline.backend_inline", "QUINTET_PICTURES": "off"}
    done = subprocess.run(
        [sys.executable, "-c", SELF_CHECK], input=settings, env=env, cwd=folder, text=True, capture_output=True,
        timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    results = {case.name: json.loads((folder / f"{case.name}.json").read_text()) for case in cases}
    return {
        name: {id: (points, named(lab, "\n".join(texts))) for id, points, texts in found}
        for name, found in results.items()
    }


def under_stock(lab: str, cases: list[bank.Case], folder: Path) -> dict[str, Found]:
    """`nbgrader autograde` with its own defaults, in a course of its own that knows nothing of our settings."""
    folder.mkdir()
    for case in cases:
        path = folder / "submitted" / case.name / lab / f"{lab}.ipynb"
        path.parent.mkdir(parents=True)
        notebook = bank.submission(lab, case)
        (parameters,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
        # As the other two run it: no check depends on how long a training is. test_notebooks runs solved labs whole.
        parameters.source = parameters.source.replace('SCALE = "smoke"', 'SCALE = "grade"')
        nbformat.write(notebook, path)
    (folder / "source").mkdir()
    (folder / "source" / lab).symlink_to(solution(lab).parent)
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.root = {str(folder)!r}\n"
        "c.CourseDirectory.course_id = 'stock'\n"
        "c.ExecutePreprocessor.timeout = 300  # seconds a cell; 30 are too few where others use the machine\n"
    )
    env = {**environment(folder), "JUPYTER_CONFIG_PATH": "", "JUPYTER_CONFIG_DIR": str(folder / "no-config")}
    for words in (["generate_assignment", lab], ["autograde", lab]):
        done = subprocess.run(
            [BIN / "nbgrader", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=540
        )
        assert done.returncode == 0, done.stderr[-3000:]
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "stock") as gradebook:
        return {case.name: _stock_grades(gradebook, lab, case.name, folder) for case in cases}


def _stock_grades(gradebook: Gradebook, lab: str, student: str, folder: Path) -> Found:
    notebook = run.read(folder / "autograded" / student / lab / f"{lab}.ipynb")
    cells = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if run.check_id(c)}
    grades = gradebook.find_submission_notebook(lab, lab, student).grades
    scores = {g.name: g.auto_score for g in grades if g.name in cells}
    assert set(scores) == set(cells)
    return {
        run.check_id(cell): (scores[name], named(lab, "\n".join(o.data.get("text/plain", "") for o in _shown(cell))))
        for name, cell in cells.items()
    }


def _shown(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [o for o in cell.outputs if o.output_type == "display_data"]


@pytest.fixture(scope="module", params=labs())
def lab(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def judged(lab, audited) -> dict[str, Found]:
    """Every submission of the bank under the referee."""
    return {
        name: {r.id: (float(r.points), frozenset(f.misconception for f in r.findings) - {None}) for r in results}
        for name, results in audited(lab).public.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_referee_grades_the_bank_as_a_student_sees_it(lab, judged, tmp_path):
    chosen = bank.one_of_each(lab)
    local = self_checked(lab, chosen, tmp_path)
    assert {name: f for name, f in local.items() if f != judged[name]} == {}
    mistakes = {(case.check, case.misconception) for case in chosen}
    assert len({tuple(f.values()) for f in local.values()}) >= len(mistakes), "they were told apart"
    for case in chosen:
        told = frozenset().union(*(named for _, named in local[case.name].values()))
        assert told == {case.misconception} - {None}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_stock_nbgrader_gives_honest_submissions_the_same_grades(lab, judged, tmp_path):
    cases = bank.cases(lab)
    wrong = [c for c in cases if c.misconception]
    chosen = [c for c in cases if c.kind == "right"] + wrong[:: max(len(wrong) // WRONG_UNDER_STOCK, 1)][
        :WRONG_UNDER_STOCK
    ]
    folders = [tmp_path / "one", tmp_path / "two"]  # a course for each processor: nbgrader grades one after the other
    with ThreadPoolExecutor(len(folders)) as pool:
        halves = list(pool.map(under_stock, [lab] * 2, [chosen[::2], chosen[1::2]], folders))
    stock = halves[0] | halves[1]
    assert {name: f for name, f in stock.items() if f != judged[name]} == {}
    assert sum(any(named for _, named in f.values()) for f in stock.values()) == WRONG_UNDER_STOCK
