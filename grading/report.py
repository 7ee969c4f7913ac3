"""Grades for people: a table in the terminal, a page in the browser."""

import csv as csv_module
import html
import io

from rich.markup import escape
from rich.table import Table

from quintet_grading.job import UNGRADED


def table(records: list[dict]) -> Table:
    """One row a student: state, score, and where points were lost and why."""
    out = Table("student", "lab", "state", "score", "lost in", "why", title="Grades")
    for r in records:
        lost, why = zip(*_losses(r), strict=True) if _losses(r) else ((), ())
        share = "" if r["score"] is None else f"{r['score']:g} of {r['max_score']:g}  {percent(r)}"
        out.add_row(escape(r["student"]), r["lab"], r["state"], share, "\n".join(lost), "\n".join(map(escape, why)))
    return out


def percent(record: dict) -> str:
    return f"{100 * record['score'] / record['max_score']:.0f} %"


def _losses(record: dict) -> list[tuple[str, str]]:
    """(check, misconception's name and title, or the first message) for each check that lost points; one line if all
    say the same."""
    if record["state"] == UNGRADED:
        return [("", record["reason"])]
    rows = []
    for c in record["checks"]:
        if c["points"] < c["max"]:
            named = dict.fromkeys(f"{f['misconception']}: {f['title']}" for f in c["findings"] if f["misconception"])
            message = c["findings"][0]["message"].splitlines()[0] if c["findings"] else ""
            rows.append((c["id"], "; ".join(named) or message))
    if len(rows) > 1 and len({why for _, why in rows}) == 1:
        return [("every step" if len(rows) == len(record["checks"]) else f"{len(rows)} steps", rows[0][1])]
    return rows


def csv(records: list[dict]) -> str:
    """One line a student and lab. A score that is not there is empty, never 0."""
    out = io.StringIO()
    writer = csv_module.writer(out)
    names = ("student", "lab", "state", "score", "max_score", "manual_max", "reason")
    writer.writerow(names)
    for r in records:
        writer.writerow(["" if r[n] is None else _no_formula(r[n]) for n in names])
    return out.getvalue()


def _no_formula(value: object) -> object:
    """A text that a spreadsheet will not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def appeal(rows: list[dict]) -> Table:
    out = Table("attempt", "recorded", "again", "", title="The recorded attempts, judged again")
    for r in rows:
        same = "the same" if r["again"] == r["recorded"] else "different: look at both notebooks"
        told = same if r["same_version"] else f"{same} (the lab, its checks or its seeds have changed since)"
        out.add_row(str(r["attempt"]), f"{r['recorded']:g}", f"{r['again']:g}", told)
    return out


def page(records: list[dict], links: dict[str, str]) -> str:
    """A self-contained page with the same table; `links`: student → address of the feedback page."""
    rows = []
    for r in records:
        name = html.escape(r["student"])
        name = f'<a href="{html.escape(links[r["student"]])}">{name}</a>' if r["student"] in links else name
        why = "<br>".join(f"<code>{html.escape(c)}</code> {html.escape(w)}" for c, w in _losses(r))
        score = bar = ""
        if r["score"] is not None:
            score = f"{r['score']:g} of {r['max_score']:g}"
            value = f'max="{r["max_score"]:g}" value="{r["score"]:g}"'
            bar = f'<meter min="0" {value} aria-label="score">{percent(r)}</meter> {percent(r)}'
        rows.append(
            f"<tr><th scope=row>{name}</th><td>{r['lab']}</td><td>{r['state']}</td>"
            f"<td class=n>{score}</td><td class=n>{bar}</td>"
            f"<td>{why}</td></tr>"
        )
    head = "".join(
        f"<th scope=col>{h}</th>" for h in ("student", "lab", "state", "score", "", "where points were lost, and why")
    )
    led = " Each name leads to the feedback that the student sees." if links else ""
    return PAGE.format(led=led, head=head, rows="\n".join(rows))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Quintet: grades</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #8884 }}
td {{ font-variant-numeric: tabular-nums }} .n {{ white-space: nowrap }} meter {{ width: 6rem }}
</style></head><body>
<h1>Grades</h1>
<p>Automatic points only: the written question is read by a person.{led}</p>
<table><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
