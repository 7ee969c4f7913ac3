"""Bank: submissions whose grade is known, to grade the checks with.

`grading/bank/<topic>/right/*.py` and `wrong/*.py` hold one submission each: the solution cells that differ from the
reference, in percent format under the cell's grade_id, below a block of TOML that says what the case is about (and,
for a wrong one, which check must catch it and which misconception must be named; where none is given, none may be). The
reference is the solution itself, the blank one the released lab.
"""

import symtable
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from quintet_grading import run
from quintet_grading.course import release, solution

BANK = Path(__file__).parent / "bank"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@dataclass(frozen=True)
class Case:
    """A submission with a known grade. kind: right, blank or wrong."""

    name: str
    kind: str
    cells: dict[str, str]
    about: str
    check: str | None = None
    misconception: str | None = None


def topic(lab: str) -> str:
    """'2_1_amp' -> 'amp', '3_2_attention_unet' -> 'attention_unet'."""
    return lab.split("_", 2)[2]


def cases(lab: str) -> list[Case]:
    """Reference, blank, then what the bank's folder holds. Raises ValueError for a file that is not a case."""
    built_in = [
        Case("reference", "right", reference(lab), "the solution itself"),
        Case("blank", "blank", {}, "the released lab as it is"),
    ]
    folder = BANK / topic(lab)
    return built_in + [_read(p) for kind in ("right", "wrong") for p in sorted((folder / kind).glob("*.py"))]


def one_of_each(lab: str) -> list[Case]:
    """What is right or blank, and one wrong submission for each mistake: with a name (the one that bears it), or
    without, in each check."""
    found = sorted(cases(lab), key=lambda case: case.name == case.misconception)
    wrong = {(case.check, case.misconception): case for case in found if case.kind == "wrong"}
    return [case for case in found if case.kind != "wrong"] + list(wrong.values())


def _read(path: Path) -> Case:
    head, *parts = path.read_text(encoding="utf-8").split("\n# %% ")
    try:
        _, block, _ = head.split("# ///")
        meta = tomllib.loads("\n".join(line.removeprefix("# ") for line in block.removeprefix(" case").splitlines()))
        cells = dict((name.strip(), source.strip()) for name, source in (p.split("\n", 1) for p in parts))
        case = Case(path.stem, path.parent.name, cells, **meta)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name} is not a case of the bank: {error}") from error
    if not cells or (case.kind == "wrong") != bool(case.check) or (case.misconception and not case.check):
        raise ValueError(f"{path.name} needs at least one cell, and a check exactly if it is wrong")
    return case


def reference(lab: str) -> dict[str, str]:
    """The solution's own cells by grade_id, without nbgrader's markers."""
    return {
        cell.metadata.nbgrader.grade_id: "\n".join(
            line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END)
        )
        for cell in run.read(solution(lab)).cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
    }


def submission(lab: str, case: Case) -> NotebookNode:
    """The case as a student would hand it in: the released lab with cells filled in, the rest from the reference."""
    notebook = run.read(release(lab))
    filled = {} if case.kind == "blank" else {**reference(lab), **case.cells}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in filled and cell.cell_type == "code":
            cell.source = filled.pop(name)
    if filled:
        raise ValueError(f"{case.name}: lab {lab} has no cell {', '.join(filled)}")
    return nbformat.from_dict(notebook)


def for_checks(notebook: NotebookNode) -> NotebookNode:
    """The submission without the cells that no check depends on: trainings and figures between the steps, which take
    most of the time. What stays is each step, each check, all before the first step, and what defines a name that one
    of these looks up. Whole if a cell is no plain Python."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    roles = [cell.metadata.get("nbgrader", {}) for cell in code]
    first = next(i for i, role in enumerate(roles) if role.get("solution"))
    try:
        scopes = [symtable.symtable(cell.source, "cell", "exec") for cell in code]
    except (SyntaxError, ValueError):
        return notebook
    defines = [
        {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
        for top in scopes
    ]
    kept = {i for i, role in enumerate(roles) if i < first or role.get("solution") or role.get("grade")}
    while True:  # a function looks its names up when it is called, so that what it needs may stand below it
        needed = {name for i in kept for name in _looked_up(scopes[i])}
        more = {i for i in range(len(code)) if defines[i] & needed} - kept
        if not more:
            return nbformat.from_dict({**notebook, "cells": [code[i] for i in sorted(kept)]})
        kept |= more


def _looked_up(scope: symtable.SymbolTable) -> Iterator[str]:
    """Names that a cell, its functions and classes included, looks up among those of the notebook."""
    top = scope.get_type() == "module"
    yield from (s.get_name() for s in scope.get_symbols() if s.is_referenced() and (top or s.is_global()))
    for inner in scope.get_children():
        yield from _looked_up(inner)
