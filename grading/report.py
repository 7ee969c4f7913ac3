"""Grades for people: a table in the terminal, a page in the browser."""

import html
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from quintet import checks


def table(records: list[dict]) -> Table:
    """One row a student: state, score, and where points were lost and why."""
    out = Table("student", "lab", "state", "score", "lost in", "why", title="Grades")
    for r in records:
        lost, why = zip(*_losses(r), strict=True) if _losses(r) else ((), ())
        share = f"{r['score']:g} of {r['max_score']:g}  {percent(r)}"
        out.add_row(escape(r["student"]), r["lab"], r["state"], share, "\n".join(lost), "\n".join(map(escape, why)))
    return out


def percent(record: dict) -> str:
    return f"{100 * record['score'] / record['max_score']:.0f} %"


def _losses(record: dict) -> list[tuple[str, str]]:
    """(check, misconception's name and title, or the first message) for each check that lost points; one line if all
    say the same."""
    rows = []
    for c in record["checks"]:
        if c["points"] < c["max"]:
            known = checks.find(c["id"]).misconceptions()
            named = dict.fromkeys(f["misconception"] for f in c["findings"] if f["misconception"])
            message = c["findings"][0]["message"].splitlines()[0] if c["findings"] else ""
            rows.append((c["id"], "; ".join(f"{m}: {known[m].title}" for m in named) or message))
    if len(rows) > 1 and len({why for _, why in rows}) == 1:
        return [("every step" if len(rows) == len(record["checks"]) else f"{len(rows)} steps", rows[0][1])]
    return rows


def page(records: list[dict], path: Path, links: dict[str, str]) -> None:
    """A self-contained page with the same table; `links`: student → address of the feedback page."""
    rows = []
    for r in records:
        name = html.escape(r["student"])
        name = f'<a href="{html.escape(links[r["student"]])}">{name}</a>' if r["student"] in links else name
        why = "<br>".join(f"<code>{html.escape(c)}</code> {html.escape(w)}" for c, w in _losses(r))
        bar = f'<meter min="0" max="{r["max_score"]:g}" value="{r["score"]:g}" aria-label="score">{percent(r)}</meter>'
        rows.append(
            f"<tr><th scope=row>{name}</th><td>{r['lab']}</td><td>{r['state']}</td>"
            f"<td class=n>{r['score']:g} of {r['max_score']:g}</td><td class=n>{bar} {percent(r)}</td>"
            f"<td>{why}</td></tr>"
        )
    head = "".join(
        f"<th scope=col>{h}</th>" for h in ("student", "lab", "state", "score", "", "where points were lost, and why")
    )
    path.write_text(PAGE.format(head=head, rows="\n".join(rows)), encoding="utf-8")


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
<p>Automatic points only: the written question is read by a person. Each name leads to the feedback that the student
sees.</p> <table><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""
