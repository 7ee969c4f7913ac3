"""The `quintet` command. Exit codes: 0 fine, 1 a finding, 2 wrong usage or something to set up first."""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quintet.data import DataMissing
from quintet_grading import Refusal

app = typer.Typer(no_args_is_help=True, add_completion=False, help="GPU deep-learning courseware that grades itself.")
out, err = Console(), Console(stderr=True, highlight=False)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result here as JSON.")]
Labs = Annotated[list[str] | None, typer.Argument(metavar="LAB…", help="Such as 2_1_amp. None: all labs.")]


def main() -> None:
    """Run the command; what a person can put right ends in one sentence and exit code 2, never in a traceback."""
    try:
        app()
    except (Refusal, DataMissing) as error:
        _stop(error)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _stop(f"{error.strerror or error}{where}. Free some space or choose another folder.")


def _stop(message: object) -> None:
    err.print(f"quintet: {message}", markup=False, soft_wrap=True)
    raise SystemExit(2)


@app.command()
def doctor(json_file: Json = None) -> None:
    """What this machine is and can run, what is missing and how to get it."""
    from quintet import doctor

    report = doctor.report()
    out.print(doctor.table(report))
    _write(json_file, report)
    problems = doctor.problems(report)
    for problem in problems:
        err.print(f"✗ {problem}", markup=False, soft_wrap=True)
    raise SystemExit(1 if problems else 0)


@app.command()
def grade(
    labs: Annotated[list[str], typer.Argument(metavar="LAB…", help="Such as 2_1_amp.")],
    submitted: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Holds STUDENT/LAB/LAB.ipynb. Default: course/submitted.")
    ] = None,
    db: Annotated[str | None, typer.Option(metavar="URL", help="Gradebook. Default: course/gradebook.db.")] = None,
    json_file: Json = None,
) -> None:
    """Grade every submission of these labs."""
    from quintet_grading import grade, report

    if submitted and not submitted.is_dir():
        raise Refusal(f"there is no folder {submitted}: give one that holds STUDENT/LAB/LAB.ipynb")
    course = grade.Course(submitted=submitted, db=db)
    records = grade_all(course, labs)
    out.print(report.table(records))
    _write(json_file, records)
    raise SystemExit(1 if any(r["state"] == grade.UNGRADED for r in records) else 0)


def grade_all(course, labs: list[str]) -> list[dict]:
    """Grade with a progress bar; what was graded of the labs before an unknown one is not lost, since all are looked
    up first."""
    from quintet_grading import grade
    from quintet_grading.referee import solution

    for lab in labs:
        solution(lab)
    records = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out) as bar:
        for lab in labs:
            task = bar.add_task(f"grading {lab}", total=len(grade.students(course, lab)) or None)
            records += grade.grade(lab, course, lambda student, task=task: bar.advance(task))
    return records


@app.command()
def audit(
    labs: Labs = None,
    mutants: Annotated[bool, typer.Option("--mutants", help="Also grade mutants of each reference solution.")] = False,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Grade the bank under N sets of random inputs.")] = 1,
    json_file: Json = None,
) -> None:
    """Is the grader itself right? Grades submissions whose grade is known."""
    from quintet_grading import audit
    from quintet_grading.referee import labs as all_labs
    from quintet_grading.referee import solution

    for lab in labs or []:
        solution(lab)
    audits = [audit.audit(lab, mutate=mutants, rounds=seeds) for lab in labs or all_labs()]
    audit.show(audits, out)
    _write(json_file, {"labs": {a.lab: a.as_json() for a in audits}})
    raise SystemExit(0 if all(a.passed for a in audits) else 1)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="A row or a topic. None: all.")] = None,
    json_file: Json = None,
) -> None:
    """Ours against peers, interleaved in one run."""
    from quintet_grading import bench

    with out.status("timing") as status:
        rows = bench.run(names or [], progress=lambda name: status.update(f"timing {name}"))
    out.print(bench.table(rows))
    _write(json_file, rows)
    raise SystemExit(1 if any(r["bar"] is not None and r["ratio"] < r["bar"] for r in rows) else 0)


@app.command()
def demo() -> None:
    """Grade a sample class for every lab and print the grade table."""
    from quintet_grading import demo

    raise SystemExit(0 if demo.run(out) else 1)


def _write(path: Path | None, value: object) -> None:
    """JSON to a file, whole or not at all."""
    if path is None:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.resolve().parent, delete=False, encoding="utf-8") as temporary:
        json.dump(value, temporary, indent=1, ensure_ascii=False)
        temporary.write("\n")
    os.replace(temporary.name, path)


if __name__ == "__main__":
    main()
