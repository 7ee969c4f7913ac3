"""Run a notebook and judge it: the one narrow place where student code meets the grader.

    judge(notebook, seeds, nursery, limits) -> Verdict

Processes: this one is trusted; it holds the checks, the seeds and the gradebook and never imports student code. The
`Nursery` (quintet.student.serve) has imported the lab's libraries and forks a child for each submission; cells run
there, one at a time, in order. Where a cell calls `check("topic/step")` the child does not run it: the check runs here,
against the child's names through frames, and this process writes the cell's outputs. Every wait has a limit on this
side's clock; a child that runs over it, dies or answers nonsense is killed, keeps the points it has, and gets 0 with
the reason for the rest.
"""

import ast
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
import torch
from nbformat import NotebookNode

from quintet import checks
from quintet.checks import report
from quintet.student import Died, StudentError, TimedOut
from quintet_grading import GradingFault, markup
from quintet_grading.job import Limits
from quintet_grading.nursery import Child, Nursery

Seeds = Callable[[str], np.random.Generator]  # check id -> its generator
KINDS: dict[str, Callable[[Limits], int]] = {  # of outputs that are kept, and how many characters one may have
    "text/plain": lambda limits: limits.output_chars,
    "text/html": lambda limits: 2 * limits.output_chars,
    "image/png": lambda limits: 10 * limits.output_chars,
}
MAX_OUTPUTS = 200  # of one cell
MAX_TEXT, MAX_PICTURES = 20, 100  # of a notebook's outputs together, in multiples of what a cell may print
HELD_BACK = "Not kept: this cell ran after a check had begun, so that its output could carry hidden inputs.\n"


@dataclass
class Verdict:
    """A judged notebook. `reason` is empty, or says which limit the student's code met (state "limited")."""

    notebook: NotebookNode
    results: list[checks.Result] = field(default_factory=list)
    reason: str = ""
    notes: list[str] = field(default_factory=list)  # for a person to look at
    seconds: float = 0.0
    again: list[list[checks.Result]] = field(default_factory=list)  # of each further round of seeds

    @property
    def points(self) -> float:
        return sum(r.points for r in self.results)

    @property
    def max(self) -> float:
        return sum(r.max for r in self.results)


def check_id(cell: NotebookNode) -> str | None:
    """The id in a cell's `check("…")`, or None. Read from the source that nbgrader has restored, never evaluated."""
    if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("grade"):
        return None
    with contextlib.suppress(SyntaxError):
        for node in ast.walk(ast.parse(cell.source)):
            match node:
                case ast.Call(func=ast.Name("check"), args=[ast.Constant(str(id))]):
                    return id
    return None


def judge(
    notebook: NotebookNode,
    seeds: Seeds,
    nursery: Nursery,
    limits: Limits | None = None,
    scale: str = "grade",
    secret: bool = False,
    again: Sequence[Seeds] = (),
) -> Verdict:
    """Run `notebook` in a fresh child and judge its checks; returns it with every code cell's outputs written by this
    process.

    notebook: clean (intake.py). secret: the inputs are, so nothing that could carry them or the answers is kept.
    again: more seeds, with which each check is asked once more at its place; the results go to `again` of the verdict.
    Raises GradingFault for what is not the student's doing.
    """
    torch.set_num_threads(1)  # a check's own arithmetic is small, and the child needs the other cores
    verdict = Verdict(notebook, again=[[] for _ in again])
    start = time.monotonic()
    count = 0
    with nursery.child(limits) as child:
        room = {"text": MAX_TEXT * child.limits.output_chars, "pictures": MAX_PICTURES * child.limits.output_chars}
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            count += 1
            cell.outputs, cell.execution_count = [], count
            id = check_id(cell)
            if id is not None:
                result = _judge_check(id, child, seeds, verdict, secret)
                for results, others in zip(verdict.again, again, strict=True):
                    results.append(_judge_check(id, child, others, verdict, secret))
                verdict.results.append(result)
                cell.outputs = report_outputs(result, count)
            elif not verdict.reason:
                try:
                    outputs = child.run(cell.source)
                    if "parameters" in cell.metadata.get("tags", []) or cell.get("id") == "parameters":
                        child.run(f"SCALE = {scale!r}")
                    held_back = secret and verdict.results
                    cell.outputs = _held_back(outputs) if held_back else _outputs(outputs, child.limits, room)
                except StudentError as error:  # it hung, died, or answered with what is no list of outputs
                    child.__exit__()
                    verdict.reason = f"cell {count}: {_told(error)}"
                    cell.outputs = [_output("error", ename="Stopped", evalue=verdict.reason, traceback=[])]
    verdict.seconds = time.monotonic() - start
    return verdict


def _output(kind: str, **content: object) -> NotebookNode:
    """An output as nbformat's schema has it; new_output would test each against that, which takes longer than most
    cells."""
    return nbformat.from_dict({"output_type": kind, **content})


def _told(error: StudentError) -> str:
    """What may be said of the end of a notebook: our own words, and nothing of what the student's process sent."""
    return error.text if isinstance(error, (TimedOut, Died)) else "it answered with what is no answer"


def _judge_check(id: str, child: Child, seeds: Seeds, verdict: Verdict, secret: bool) -> checks.Result:
    found = checks.find(id)
    if verdict.reason:
        return lost(found, f"Not run: the notebook was stopped before ({verdict.reason}).")
    with child.checking():
        try:
            result = checks.run(id, child.student, seeds(id), secret=secret)
        except (MemoryError, OSError, ImportError) as error:
            raise GradingFault(f"{id}: {type(error).__name__}: {error}") from error
        except Exception as error:  # noqa: BLE001 the reference passes with the same inputs: this answer provoked it
            verdict.notes.append(f"{id} failed by itself on this answer: {type(error).__name__}")
            result = lost(found, "This answer could not be judged: it is of a kind that the check cannot handle.")
    if child.sock.fileno() < 0:
        verdict.reason = f"the process ended or ran over its time while {id} was checked"
    return result


def lost(found: checks.Check, message: str) -> checks.Result:
    case = checks.Case("the whole step", found.points, False, checks.Finding(None, message))
    return checks.Result(found.id, found.points, [case])


def report_outputs(result: checks.Result, count: int) -> list[NotebookNode]:
    known = checks.find(result.id).misconceptions()
    data = {"text/plain": report.text(result, known), "text/html": report.as_html(result, known)}
    shown = _output("display_data", data=data, metadata={"quintet": record(result)})
    points = {"text/plain": repr(float(result.points))}
    return [shown, _output("execute_result", data=points, metadata={}, execution_count=count)]


def record(result: checks.Result) -> dict:
    """A result as the grade's JSON has it."""
    known = checks.find(result.id).misconceptions()
    findings = [
        {
            "misconception": f.misconception,
            "title": known[f.misconception].title if f.misconception in known else None,
            "message": report.clean(f.message)[: report.MAX_MESSAGE],
        }
        for f in result.findings
    ]
    return {"id": result.id, "points": result.points, "max": result.max, "findings": findings}


def _held_back(claimed: list) -> list[NotebookNode]:
    """In the place of a cell's outputs: that they are not kept and, where it raised, that it did."""
    outputs = [_output("stream", name="stdout", text=HELD_BACK)]
    if isinstance(claimed, list) and any(isinstance(o, dict) and o.get("output_type") == "error" for o in claimed):
        outputs.append(_output("error", ename="Error", evalue="this cell raised", traceback=[]))
    return outputs if claimed else []


def _outputs(claimed: list, limits: Limits, room: dict[str, int]) -> list[NotebookNode]:
    """A child's outputs, taken as claims: only nbformat's shapes, known kinds and so many characters pass. room: what
    the notebook's further outputs may take, counted before anything is read more closely."""
    outputs, left = [], limits.output_chars
    for o in claimed if isinstance(claimed, list) else []:
        match o:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                text = text[: max(min(left, room["text"]), 0)]
                outputs.append(_output("stream", name=name, text=report.clean(text)))
                left, room["text"] = left - len(text) - 1, room["text"] - len(text) - 100
            case {"output_type": "display_data", "data": dict(data)}:
                kept = {}
                for kind, value in data.items():
                    of = "pictures" if kind == "image/png" else "text"
                    if kind in KINDS and isinstance(value, str) and len(value) <= min(KINDS[kind](limits), room[of]):
                        room[of] -= len(value) + 100
                        left -= 100 if of == "pictures" else len(value)
                        kept[kind] = _harmless(kind, value)
                kept = {kind: value for kind, value in kept.items() if value is not None}
                outputs.append(_output("display_data", data=kept, metadata={}))
            case {"output_type": "error", "ename": str(ename), "evalue": str(evalue), "traceback": [str(trace)]}:
                trace = trace[: max(min(left, room["text"]), 0)]
                ename, evalue, text = map(report.clean, (ename[:200], evalue[:2000], trace))
                outputs.append(_output("error", ename=ename, evalue=evalue, traceback=[text]))
                left, room["text"] = left - len(trace) - 1, room["text"] - len(trace) - 2200
        if left <= 0 or room["text"] <= 0 or len(outputs) >= MAX_OUTPUTS:
            outputs.append(_output("stream", name="stdout", text="… (the rest was cut)"))
            break
    return outputs


def _harmless(kind: str, value: str) -> str | None:
    """One form of a displayed thing, fit for a page that a grader opens; None where it is not what it says."""
    if kind == "image/png":
        return value if markup.is_base64(value) else None
    value = report.clean(value)
    return value if kind == "text/plain" else markup.clean(value)


def read(path: Path, cap: int = 20 * 2**20) -> NotebookNode:
    """A notebook from a file. Raises ValueError, in one sentence, for anything that is not a readable notebook of
    format 4."""
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} is missing or not an ordinary file")
    if path.stat().st_size > cap:
        raise ValueError(f"{path.name} has {path.stat().st_size / 2**20:.0f} MiB, a lab may have {cap / 2**20:.0f}")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # noqa: BLE001 nbformat raises many kinds for a bad file, jsonschema's among them
        raise ValueError(f"{path.name} is not a readable notebook: {str(error).splitlines()[0][:200]}") from None
    return notebook
