"""A check's result for people: the same text as plain text and as HTML that escapes everything a student's code said.

Hints come in stages: the failing case (expected, got, where), then the misconception that it looks like, then where to
read.
"""

import html
import re
import unicodedata

from quintet.checks import Case, Misconception, Result

MAX_MESSAGE = 1_200
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))")  # a terminal's colours, links, titles


def clean(said: str) -> str:
    """What a student's code said, without what a reader cannot see: terminal escapes, control characters other than
    newline and tab, marks that change the direction of writing, halves of surrogate pairs."""
    return "".join(c for c in ESCAPES.sub("", said) if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def text(result: Result, misconceptions: dict[str, Misconception]) -> str:
    lines = [f"{result.id}: {result.points:g} of {result.max:g} points"]
    for c in result.cases:
        lines.append(f"  {'✓' if c.passed else '✗'} {c.name} ({c.points:g})")
        if c.finding:
            lines += ["      " + line for line in clean(c.finding.message)[:MAX_MESSAGE].splitlines()]
            if known := misconceptions.get(c.finding.misconception or ""):
                lines += [f"      This looks like: {known.title}.", f"      {known.why}", f"      Read: {known.read}"]
    return "\n".join(lines)


def as_html(result: Result, misconceptions: dict[str, Misconception]) -> str:
    color = "#009E73" if result.points >= result.max else "#D55E00"
    body = "".join(_case(c, misconceptions) for c in result.cases)
    return (
        f'<div style="border-left:4px solid {color};padding:.2em .8em" role="status">'
        f"<strong>{html.escape(result.id)}: {result.points:g} of {result.max:g} points</strong>"
        f'<ul style="list-style:none;padding-left:0;margin:.3em 0">{body}</ul></div>'
    )


def _case(c: Case, misconceptions: dict[str, Misconception]) -> str:
    mark, word = ("✓", "passed") if c.passed else ("✗", "failed")
    out = f'<li><span aria-label="{word}">{mark}</span> {html.escape(c.name)} ({c.points:g})'
    if c.finding:
        message = html.escape(clean(c.finding.message)[:MAX_MESSAGE])
        out += f'<pre style="white-space:pre-wrap;margin:.2em 0 .2em 1.4em">{message}</pre>'
        if known := misconceptions.get(c.finding.misconception or ""):
            out += (
                f'<details style="margin-left:1.4em"><summary>What this looks like</summary>'
                f"<p><em>{html.escape(known.title)}.</em> {html.escape(known.why)}</p>"
                f"<details><summary>Where to read</summary><p>{html.escape(known.read)}</p></details></details>"
            )
    return out + "</li>"
