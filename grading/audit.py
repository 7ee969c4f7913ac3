"""`quintet audit`: grade the checks with submissions whose grade is known, and with mutants of the reference."""

import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from quintet_grading import bank, mutants, run
from quintet_grading.referee import nursery

WORKERS = 2
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
    mutated: bool = False

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
    found = Audit(lab, mutated=mutate)
    jobs = [(case, r) for case in bank.cases(lab) for r in range(rounds)]
    for (case, r), verdict in _graded(jobs, lambda job: _judge(lab, job[0], job[1]), f"{lab}: bank", quiet):
        _enter(found, case, verdict, f" (seed {r})" if rounds > 1 else "")
    if mutate:
        known = mutants.equivalent(lab)
        chosen = mutants.mutants(lab)
        if sample is not None and sample < len(chosen):
            chosen = [chosen[i] for i in sorted(np.random.default_rng(0).choice(len(chosen), sample, replace=False))]
        cases = [(m, bank.Case("mutant", "mutant", {m.cell: m.source}, m.change)) for m in chosen]
        for (m, _), verdict in _graded(cases, lambda job: _judge(lab, job[1], 0), f"{lab}: mutants", quiet):
            killed = verdict.points < verdict.max
            found.total["mutants"] += 1
            found.good["mutants"] += killed
            if not killed:
                why = known.get((m.cell, m.change))
                (found.equivalent if why else found.survivors).append(
                    f"{m.cell}: {m.change}" + (f"\n    {why}" if why else "")
                )
    return found


def _judge(lab: str, case: bank.Case, number: int) -> run.Verdict:
    return run.judge(bank.submission(lab, case), seeds(number), nursery(lab))


def _graded(
    jobs: list[T], grade: Callable[[T], run.Verdict], text: str, quiet: bool
) -> Iterable[tuple[T, run.Verdict]]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from track(zip(jobs, pool.map(grade, jobs), strict=True), text, len(jobs), disable=quiet)


def _enter(found: Audit, case: bank.Case, verdict: run.Verdict, seed: str) -> None:
    lost = {r.id: r for r in verdict.results if r.points < r.max}
    if case.kind == "blank":
        found.blank = max(found.blank, verdict.points)
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
            named == {case.misconception},
            f"wrong {case.name}{seed} was named {sorted(named)}: {_said(lost.values())}",
        )


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
