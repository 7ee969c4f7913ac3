"""`quintet audit`: grade the checks with submissions whose grade is known, and with mutants of the reference.

A case is judged with the public inputs, which a student's own check uses, and with those of `rounds` fresh seeds. All
that costs one run of a submission's cells: each check is asked again and again at its place, against what the cells
before it left (`again` of run.judge). A check is functional, so a round leaves no trace: where there are several, the
public inputs come once more at the end, and an answer that differs then is a miss. What can be quoted is the rule of
three: none wrong under n seeds bounds the rate of a wrong verdict by 1 − 0.05^(1/n) with 95 % confidence, for each
submission by itself, about 3/n.
"""

import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from quintet import checks
from quintet_grading import bank, mutants, run
from quintet_grading.course import solution
from quintet_grading.nursery import of_lab

WORKERS = 2
ROUND_SECONDS = 30.0  # of wall clock that each set of inputs may add to a submission's time
T = TypeVar("T")


@dataclass
class Audit:
    """What the bank said about one lab's checks. Each list holds a text per miss; empty lists are what one wants."""

    lab: str
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("right", "wrong", "named", "mutants"), 0))
    good: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("right", "wrong", "named", "mutants"), 0))
    blank: float = 0.0
    misses: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    equivalent: list[str] = field(default_factory=list)
    public: dict[str, list[checks.Result]] = field(default_factory=dict)  # case -> its results under the public inputs
    mutated: bool = False
    rounds: int = 1

    def count(self, what: str, good: bool, miss: str) -> None:
        self.total[what] += 1
        self.good[what] += good
        if not good:
            self.misses.append(miss)

    def as_json(self) -> dict:
        keys = ("right", "wrong", "named", "mutants") if self.mutated else ("right", "wrong", "named")
        out: dict = {k: [self.good[k], self.total[k]] for k in keys}
        out["blank"] = self.blank
        return out

    @property
    def bound(self) -> float:
        """With 95 % confidence, how often at most a fresh seed gives a submission of the bank a wrong verdict, if none
        of `rounds` did."""
        return 1 - 0.05 ** (1 / self.rounds)

    @property
    def passed(self) -> bool:
        enough = not self.mutated or (
            self.good["mutants"] >= 0.9 * self.total["mutants"] and self.total["mutants"] >= 30
        )
        return not self.misses and not self.survivors and self.blank == 0 and enough


def seeds(number: int) -> run.Seeds:
    """Generators of audit run `number`."""
    return lambda id: np.random.default_rng([number, zlib.crc32(id.encode())])


def audit(lab: str, mutate: bool = False, rounds: int = 1, sample: int | None = None, quiet: bool = False) -> Audit:
    """Grade the bank's cases over `rounds` seeds each, and with `mutate` every mutant (or a seeded `sample` of them)
    once."""
    found = Audit(lab, mutated=mutate, rounds=rounds)
    jobs = [(case, case) for case in bank.cases(lab)]
    asked = [checks.public_rng, *map(seeds, range(rounds)), *[checks.public_rng] * (rounds > 1)]
    for case, verdict in _graded(lab, jobs, asked, f"{lab}: bank", quiet):
        fresh, last = verdict.again[:rounds], verdict.again[rounds:]
        if last and list(map(_judgement, last[0])) != list(map(_judgement, verdict.results)):
            found.misses.append(f"{case.kind} {case.name}: public inputs were judged otherwise when asked again")
        found.public[case.name] = verdict.results
        for which, results in [("public inputs", verdict.results), *((f"seed {i}", r) for i, r in enumerate(fresh))]:
            _enter(found, case, results, f" ({which})")
    if mutate:
        known = mutants.equivalent(lab)
        chosen = mutants.mutants(lab)
        if sample is not None and sample < len(chosen):
            chosen = [chosen[i] for i in sorted(np.random.default_rng(0).choice(len(chosen), sample, replace=False))]
        cases = [(m, bank.Case("mutant", "mutant", {m.cell: m.source}, m.change)) for m in chosen]
        for m, verdict in _graded(lab, cases, [seeds(0)], f"{lab}: mutants", quiet):
            killed = verdict.points < verdict.max
            found.total["mutants"] += 1
            found.good["mutants"] += killed
            if not killed:
                why = known.get((m.cell, m.change))
                (found.equivalent if why else found.survivors).append(
                    f"{m.cell}: {m.change}" + (f"\n    {why}" if why else "")
                )
    return found


def _graded(
    lab: str, jobs: list[tuple[T, bank.Case]], asked: list[run.Seeds], text: str, quiet: bool
) -> Iterator[tuple[T, run.Verdict]]:
    """Each job with the verdict on its case, each check asked with each of `asked`."""
    each = len(asked) * sum(run.check_id(cell) is not None for cell in run.read(solution(lab)).cells)
    limits = of_lab(lab).limits
    limits = replace(limits, total_seconds=limits.total_seconds + ROUND_SECONDS * len(asked))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, disable=quiet) as bar, ThreadPoolExecutor(WORKERS) as pool:
        task = bar.add_task(f"{text}, checks", total=len(jobs) * each)

        def judge(job: tuple[T, bank.Case]) -> run.Verdict:
            left = each

            def counted(inputs: run.Seeds) -> run.Seeds:
                def generator(id: str) -> np.random.Generator:
                    nonlocal left
                    left -= 1
                    bar.advance(task)
                    return inputs(id)

                return generator

            first, *again = map(counted, asked)
            verdict = run.judge(bank.for_checks(bank.submission(lab, job[1])), first, of_lab(lab), limits, again=again)
            bar.advance(task, left)  # what a submission that ended early was not asked
            return verdict

        for (job, _), verdict in zip(jobs, pool.map(judge, jobs), strict=True):
            yield job, verdict


def _enter(found: Audit, case: bank.Case, results: list[checks.Result], seed: str) -> None:
    lost = {r.id: r for r in results if r.points < r.max}
    if case.kind == "blank":
        found.blank = max(found.blank, sum(r.points for r in results))
    elif case.kind == "right":
        found.count("right", not lost, f"right {case.name}{seed} lost points in {_said(lost.values())}")
    else:
        found.count(
            "wrong",
            set(lost) == {case.check},
            f"wrong {case.name}{seed} should lose in {case.check} only, lost in {sorted(lost)}",
        )
        named = {f.misconception for r in lost.values() for f in r.findings} - {None}
        found.count(
            "named",
            named == {case.misconception} - {None},  # a mistake with another's name is worse than one without
            f"wrong {case.name}{seed} was named {sorted(named)}: {_said(lost.values())}",
        )


def _judgement(result: checks.Result) -> tuple:
    """Without what is told of an answer: that of a wrong submission may be random."""
    return result.id, [(c.name, c.passed, c.finding and c.finding.misconception) for c in result.cases]


def _said(results: Iterable) -> str:
    return "; ".join(f"{r.id}: {f.message}" for r in results for f in r.findings)


def show(audits: list[Audit], console: Console) -> None:
    table = Table(
        "lab", "right accepted", "blank", "wrong caught", "named", "mutants killed", title="Is the grader itself right?"
    )
    for a in audits:
        of = {k: f"{a.good[k]} of {a.total[k]}" for k in a.total}
        killed = of["mutants"] if a.mutated else "not run"
        table.add_row(a.lab, of["right"], f"{a.blank:g}", of["wrong"], of["named"], killed)
    console.print(table)
    for a in audits:
        if a.rounds > 1 and not a.misses and a.blank == 0:
            console.print(
                f"{a.lab}: no wrong verdict under {a.rounds} seeds, so at most {100 * a.bound:.1f} % of fresh seeds "
                "give one to any given submission (95 % confidence)",
                highlight=False,
                soft_wrap=True,
            )
        lists = {
            "Missed": a.misses,
            "Survived: a hole in a check, or to be listed in the bank's mutants.toml": a.survivors,
            "Survived, an equivalent program": a.equivalent,
        }
        for title, rows in lists.items():
            if rows:
                console.print(f"\n{a.lab} · {title}:")
                for row in rows:
                    console.print(f"  {row}", markup=False, highlight=False)
