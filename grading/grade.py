"""`quintet grade`: from a folder of submissions to a gradebook and one record a student.

    intake ──Job──▶ farm (station: sandboxed run ↔ referee) ──Outcome──▶ record ──▶ records

One direction, each step its own module; this one only joins them. What is in the journal already is not judged again,
so that a run that was cut off goes on where it stopped. Nothing that happens to one submission stops the others.
"""

import os
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from quintet_grading import GradingFault, Refusal, farm, intake, policy, sandbox, station
from quintet_grading.course import Course, solution
from quintet_grading.job import UNGRADED, Job, Limits, Outcome
from quintet_grading.record import Journal, Writer

__all__ = ["Options", "appeal", "grade"]


@dataclass(frozen=True)
class Options:
    """How to grade. scheduler: a Dask scheduler's address, None for this machine; workers: how many at once here.

    sandboxed: False runs submissions with the rights of this process: only for code that is trusted. limits: instead
    of the course's own. students: only these.
    """

    scheduler: str | None = None
    workers: int = 2
    gpus: int = 0
    sandboxed: bool = True
    limits: Limits | None = None
    students: Collection[str] | None = None
    log: Path | None = None


def grade(
    labs: str | list[str], course: Course, options: Options | None = None, progress: farm.Watcher | None = None
) -> list[dict]:
    """Grade every submission of `labs`; one record a student and lab, in that order, whatever happened to any of them.

    Raises Refusal for an unknown lab, when nobody handed one in, or where code cannot be locked in; farm.Stopped on
    Ctrl-C. What was graded before is recorded and stays. Where a grading service is configured, it does the work.
    """
    labs, options = [labs] if isinstance(labs, str) else labs, options or Options()
    if (address := _service(options)) is not None:
        from quintet_grading import service

        return service.ask_to_grade(address, labs, course, options.students, progress)
    handed_in = {lab: _students(lab, course, options) for lab in labs}
    if options.sandboxed and options.scheduler is None:
        sandbox.require()
    rules = policy.Policy.load(course.folder)
    if options.scheduler is None:
        station.prepare(labs[0], options.sandboxed)  # it starts while we read what was handed in
    with Writer(course) as writer:
        clerk = _Clerk(course, rules, options, writer, handed_in, progress)
        registered = [writer.register(lab, rules.deadline(lab)) for lab in labs]
        judged = farm.run(
            clerk.jobs(), station.judge, scheduler=options.scheduler, workers=options.workers, gpus=options.gpus,
            needs_gpu=lambda job: job.gpu, total=sum(map(len, handed_in.values())), progress=progress,
            log=options.log or course.folder / "grading.log",
        )  # fmt: skip
        try:
            for job, outcome in judged:
                if registered:
                    _ = [future.result() for future in registered]  # a lab that cannot be entered stops us here
                    registered = []
                clerk.record(job, outcome)
        finally:
            clerk.finish()
    return clerk.records()


def _service(options: Options) -> str | None:
    """The address of the service that grades for this command (service.py), if there is one."""
    address = os.environ.get("QUINTET_SERVICE") or None
    if address and (options.scheduler or not options.sandboxed):
        raise Refusal(f"the grading service at {address} decides where and how: leave out --scheduler and --unsafe")
    return address


def _students(lab: str, course: Course, options: Options) -> list[str]:
    solution(lab)
    names = [s for s in course.students(lab) if options.students is None or s in options.students]
    if not names:
        raise Refusal(f"no submission of {lab} in {course.submitted_folder}: expected STUDENT/{lab}/{lab}.ipynb there")
    return names


class _Clerk:
    """Makes jobs of what was handed in, and has outcomes recorded."""

    def __init__(self, course, rules, options, writer, handed_in, progress):
        self.course: Course = course
        self.rules: policy.Policy = rules
        self.options: Options = options
        self.writer: Writer = writer
        self.handed_in: dict[str, list[str]] = handed_in
        self.progress: farm.Watcher | None = progress
        self._written: list[tuple[Job, Future]] = []
        self._faults: dict[tuple[str, str], str] = {}

    def jobs(self) -> Iterator[Job]:
        """A job for each submission that is not in the journal yet."""
        for lab, students in self.handed_in.items():
            rows = Journal(self.course.db_url).judged(lab)
            seed_key = policy.seed_key(self.course.key(), lab, self.rules)
            versions: dict[Limits, str] = {}
            for student in students:
                limits = self.options.limits or self.rules.limits(student, lab)
                if limits not in versions:
                    versions[limits] = policy.version(lab, seed_key, limits)
                job = Job(
                    student, lab, "", versions[limits], seed_key=seed_key, limits=limits,
                    sandboxed=self.options.sandboxed, gpu=station.needs_gpu(lab),
                )  # fmt: skip
                try:
                    job = self._read(job, rows.get(student, []))
                except GradingFault as fault:
                    self.record(job, Outcome(UNGRADED, f"Not graded yet, by no fault of the student's: {fault}."))
                else:
                    if job is not None:
                        yield job

    def _read(self, job: Job, rows: list[dict]) -> Job | None:
        """The job with what was handed in, or None where there is nothing to judge."""
        found = intake.submission(self.course, job.student, job.lab)
        job = replace(
            job, submission=found.sha256, notebook=found.text, reason=found.reason, notes=found.notes,
            timestamp=found.timestamp,
        )  # fmt: skip
        if any(row["key"] == job.key for row in rows):
            return None
        used = {row["submission"] for row in rows if row["attempt"] is not None} - {job.submission}
        allowed = self.rules.attempts(job.student, job.lab)
        if len(used) >= allowed and not job.reason:
            self._say(f"{job.student} has used all {allowed} attempts at {job.lab}: the newest file was not graded.")
            return None
        return job

    def record(self, job: Job, outcome: Outcome) -> None:
        extension = self.rules.extension(job.student, job.lab).total_seconds()
        self._written.append((job, self.writer.put(job, outcome, extension)))

    def finish(self) -> None:
        """Wait until everything is recorded."""
        for job, future in self._written:
            try:
                future.result()
            except GradingFault as fault:
                self._faults[job.student, job.lab] = str(fault)
        self._written.clear()

    def records(self) -> list[dict]:
        """What the journal says of each student, and of whom nothing could be recorded: that."""
        found = []
        for lab, students in self.handed_in.items():
            known = {r["student"]: r for r in Journal(self.course.db_url).records(lab)}
            for student in students:
                fault = self._faults.get((student, lab))
                if fault is not None or student not in known:
                    found.append(_ungraded(student, lab, fault or "it was not recorded: run the command again"))
                else:
                    found.append(known[student])
        return found

    def _say(self, text: str) -> None:
        if self.progress is not None:
            self.progress.note(text)


def appeal(course: Course, lab: str, student: str, options: Options | None = None) -> list[dict]:
    """A student's recorded attempts judged again: `{attempt, recorded, again, same_version}`. Nothing is written.

    Raises Refusal where nothing is recorded, or what was handed in is not kept any more.
    """
    options = options or Options()
    if (address := _service(options)) is not None:
        from quintet_grading import service

        return service.ask_to_appeal(address, course, lab, student)
    rules = policy.Policy.load(course.folder)
    if options.sandboxed:
        sandbox.require()
    seed_key = policy.seed_key(course.key(), lab, rules)
    limits = options.limits or rules.limits(student, lab)
    version = policy.version(lab, seed_key, limits)
    found = []
    judged = Journal(course.db_url).judged(lab).get(student, [])
    for row in (row for row in judged if row["attempt"] is not None):
        path = course.attempt(lab, student, row["key"]) / "submitted.ipynb"
        if not path.is_file():
            raise Refusal(f"attempt {row['attempt']} of {student} at {lab} is not kept: {path} is missing")
        clean = intake.clean(path.read_bytes(), intake.released(lab))
        job = Job(
            student, lab, row["submission"], version, clean.text, clean.reason, clean.notes, seed_key, limits,
            sandboxed=options.sandboxed, gpu=station.needs_gpu(lab),
        )  # fmt: skip
        again = sum(c["points"] for c in station.judge(job).checks)
        found.append({
            "attempt": row["attempt"], "recorded": row["score"], "again": again,
            "same_version": row["version"] == version,
        })  # fmt: skip
    if not found:
        raise Refusal(f"nothing of {student} is recorded for {lab}")
    return found


def _ungraded(student: str, lab: str, reason: str) -> dict:
    return {
        "student": student, "lab": lab, "state": UNGRADED, "score": None, "max_score": None, "manual_max": None,
        "checks": [], "seconds": 0.0, "reason": reason,
    }  # fmt: skip
