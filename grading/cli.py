"""The `quintet` command. Exit codes: 0 fine, 1 a finding, 2 wrong usage or something to set up first."""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from quintet.data import DataMissing
from quintet_grading import Refusal
from quintet_grading.course import Course, default_folder

app = typer.Typer(no_args_is_help=True, add_completion=False, help="GPU deep-learning courseware that grades itself.")
out, err = Console(), Console(stderr=True, highlight=False)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result here as JSON.")]
Labs = Annotated[list[str] | None, typer.Argument(metavar="LAB…", help="Such as 2_1_amp. None: all labs.")]


def main() -> None:
    """Run the command; what a person can put right ends in one sentence and exit code 2, never in a traceback."""
    try:
        app()
    except (Refusal, DataMissing) as error:  # GradingFault is a Refusal
        _stop(error, getattr(error, "exit_code", 2))
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _stop(f"{error.strerror or error}{where}. Free some space or choose another folder.")


def _stop(message: object, code: int = 2) -> None:
    err.print(f"quintet: {message}", markup=False, soft_wrap=True)
    raise SystemExit(code)


@app.command()
def doctor(json_file: Json = None) -> None:
    """What this machine is and can run, what is missing and how to get it."""
    from quintet import doctor
    from quintet_grading import sandbox

    report = doctor.report(sandbox={"why_not": sandbox.why_not(), "counted": sandbox.limits_are_counted()})
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
    student: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this student; may be given again.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler: tcp://…, tls://… or gateway:NAME.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Submissions at once on this machine.")] = 2,
    gpus: Annotated[int, typer.Option(metavar="N", min=0, help="GPU slots on this machine, for labs that ask.")] = 0,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Run submissions without the sandbox, with your rights: trusted code only.")
    ] = False,
    json_file: Json = None,
) -> None:
    """Grade every submission of these labs. What was graded already is not graded again."""
    from quintet_grading import grade, report
    from quintet_grading.job import UNGRADED

    if submitted and not submitted.is_dir():
        raise Refusal(f"there is no folder {submitted}: give one that holds STUDENT/LAB/LAB.ipynb")
    course = Course(default_folder(), submitted, db)
    options = grade.Options(scheduler, workers, gpus, sandboxed=not unsafe, students=student or None)
    records = grade_all(course, labs, options)
    out.print(report.table(records))
    _write(json_file, records)
    raise SystemExit(1 if any(r["state"] == UNGRADED for r in records) else 0)


def grade_all(course: Course, labs: list[str], options=None) -> list[dict]:
    """Grade with a progress bar for each lab."""
    from quintet_grading import farm, grade

    totals = {lab: len(course.students(lab)) for lab in labs}
    with farm.Progress(totals, out) as progress:
        return grade.grade(labs, course, options, progress)


@app.command()
def audit(
    labs: Annotated[
        list[str] | None, typer.Argument(metavar="LAB…", help="Such as 2_1_amp, or hostile. None: all labs.")
    ] = None,
    mutants: Annotated[bool, typer.Option("--mutants", help="Also grade mutants of each reference solution.")] = False,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Grade the bank under N sets of random inputs.")] = 1,
    json_file: Json = None,
) -> None:
    """Is the grader itself right? Grades submissions whose grade is known; `hostile`: those that attack it."""
    from quintet_grading import audit
    from quintet_grading.course import labs as all_labs
    from quintet_grading.course import solution

    names = [lab for lab in labs or [] if lab != "hostile"]
    for lab in names:
        solution(lab)
    audits = [audit.audit(lab, mutate=mutants, rounds=seeds) for lab in names or ([] if labs else all_labs())]
    found = {"labs": {a.lab: a.as_json() for a in audits}}
    if audits:
        audit.show(audits, out)
    passed = all(a.passed for a in audits)
    if "hostile" in (labs or []):
        from quintet_grading import hostile

        with out.status("grading the hostile bank: some minutes"):
            found |= hostile.run()
        hostile.show(found, out)
        passed = passed and not found["missed"]
    _write(json_file, found)
    raise SystemExit(0 if passed else 1)


@app.command("report")
def report_command(
    labs: Labs = None,
    db: Annotated[str | None, typer.Option(metavar="URL", help="Gradebook. Default: course/gradebook.db.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a table here.")] = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page here.")] = None,
    json_file: Json = None,
) -> None:
    """What the gradebook holds: scores, states and reasons. Nothing is graded."""
    from quintet_grading import report
    from quintet_grading.course import labs as all_labs
    from quintet_grading.course import solution
    from quintet_grading.record import Journal

    for lab in labs or []:
        solution(lab)
    journal = Journal(Course(default_folder(), db=db).db_url)
    records = [r for lab in labs or all_labs() for r in journal.records(lab)]
    out.print(report.table(records))
    _write(json_file, records)
    if csv_file:
        _write_text(csv_file, report.csv(records))
    if page:
        _write_text(page, report.page(records, {}))


@app.command()
def appeal(
    lab: Annotated[str, typer.Argument(metavar="LAB")],
    student: Annotated[str, typer.Argument(metavar="STUDENT")],
    db: Annotated[str | None, typer.Option(metavar="URL", help="Gradebook. Default: course/gradebook.db.")] = None,
) -> None:
    """Judge a student's recorded attempts again and compare. The gradebook is left alone."""
    from quintet_grading import grade, report

    rows = grade.appeal(Course(default_folder(), db=db), lab, student)
    out.print(report.appeal(rows))
    raise SystemExit(0 if all(r["again"] == r["recorded"] for r in rows) else 1)


@app.command()
def reseed(lab: Annotated[str, typer.Argument(metavar="LAB")]) -> None:
    """New secret inputs for a lab, for when its key may have leaked: the next `quintet grade` grades all of it anew."""
    from quintet_grading import policy

    if os.environ.get("QUINTET_SERVICE"):
        raise Refusal("the grading service holds the key: its operator can reseed the lab")
    times = policy.reseed(default_folder(), lab)
    out.print(f"{lab} has new inputs (change number {times}). Now run: quintet grade {lab}", highlight=False)


@app.command()
def serve(
    socket: Annotated[
        list[str] | None, typer.Option(metavar="PLACE", help="A socket's path, or tls://HOST:PORT; may be given again.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(metavar="USER", help="May ask; may be given again.")] = None,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, as in grade.")] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Submissions at once on this machine.")] = 2,
    gpus: Annotated[int, typer.Option(metavar="N", min=0, help="GPU slots on this machine, for labs that ask.")] = 0,
) -> None:
    """Grade for those who may not sandbox: their `quintet grade` and formgrader find it by QUINTET_SERVICE."""
    import logging

    from quintet_grading import grade, sandbox, service

    os.environ.pop("QUINTET_SERVICE", None)  # it would ask itself
    logging.basicConfig(format="%(asctime)s %(message)s")
    service.log.setLevel(logging.INFO)
    if scheduler is None:
        sandbox.require()
    course = Course(default_folder())
    course.folder.mkdir(parents=True, exist_ok=True)
    with service.Service(course, grade.Options(scheduler, workers, gpus), service.users(allow or [])) as served:
        for place in socket or [str(course.folder / "service")]:
            served.listen(place)
        served.run()


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
    if path is not None:
        _write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    """To a file, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.resolve().parent, delete=False, encoding="utf-8") as temporary:
        temporary.write(text)
    os.chmod(temporary.name, 0o644)
    os.replace(temporary.name, path)


if __name__ == "__main__":
    main()
