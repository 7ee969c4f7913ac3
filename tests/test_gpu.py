"""Submissions that use a GPU: their process starts cold, as CUDA does not survive a fork, and ends with its memory."""

import nbformat
import numpy as np
import pytest
import torch

from quintet_grading import bank, run, sandbox
from quintet_grading.job import Limits
from quintet_grading.nursery import Nursery

LAB = "2_1_amp"
SETUP = """
import torch
from torch import nn
from quintet import check

x = torch.ones(1000, device="cuda", requires_grad=True)
(x * x).sum().backward()
print(x.grad.sum().item(), torch.cuda.memory_allocated() > 0)
"""
FILLS = "kept = []\nwhile True:\n    kept.append(torch.empty(2**30, dtype=torch.uint8, device='cuda'))"
ASSERTS = "torch.zeros(4, device='cuda')[torch.tensor([7], device='cuda')]; torch.cuda.synchronize()"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def submission(name: str, *more: str) -> nbformat.NotebookNode:
    """A case of the bank without the lab's data: CUDA at work, the steps and their checks, `more` before the last."""
    case = next(c for c in bank.cases(LAB) if c.name == name)
    notebook = bank.submission(LAB, case)
    about = [c.metadata.get("nbgrader", {}) for c in notebook.cells]
    steps = [c for c, a in zip(notebook.cells, about, strict=True) if a.get("solution") or a.get("grade")]
    steps = [c for c in steps if c.cell_type == "code"]
    extra = [nbformat.v4.new_code_cell(source) for source in more]
    notebook.cells = [nbformat.v4.new_code_cell(SETUP.strip()), *steps[:-1], *extra, steps[-1]]
    return notebook


def fixed(id: str) -> np.random.Generator:
    return np.random.default_rng(0)


def printed(verdict: run.Verdict) -> str:
    return "".join(o.get("text", "") for o in verdict.notebook.cells[0].outputs)


def test_submissions_start_cold_get_their_points_and_leave_the_gpu_to_the_next(capsys):
    sandboxed = not sandbox.why_not()
    before = torch.cuda.mem_get_info()[0]
    verdicts = {}
    with Nursery(["torch"], sandboxed=sandboxed, fresh=True) as nursery:
        for name, more in (
            ("reference", ()), ("clip-before-unscale", ()), ("reference", (FILLS,)), ("reference", (ASSERTS,)),
            ("reference", ("import os; os._exit(1)",)), ("reference", ()),
        ):  # fmt: skip
            verdict = run.judge(submission(name, *more), fixed, nursery, Limits(memory_bytes=32 * 2**30))
            verdicts[name, more] = verdict
            assert printed(verdict) == "2000.0 True\n", verdict.notebook.cells[0].outputs
    with capsys.disabled():
        seconds = [f"{v.seconds:.1f}" for v in verdicts.values()]
        print(f"\n{torch.cuda.get_device_name()}, {'in' if sandboxed else 'without'} the sandbox, seconds: {seconds}")
    points = [v.points for v in verdicts.values()]
    assert points[:4] == [20, 18, 20, 20], "an error in a cell costs that cell"
    assert points[4] == 17 and "ended" in verdicts["reference", ("import os; os._exit(1)",)].reason
    assert abs(torch.cuda.mem_get_info()[0] - before) < 2**30, "what they held is free again"
