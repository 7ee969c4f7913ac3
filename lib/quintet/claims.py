"""The claims ledger: what the tutorials state, what is published, what was measured here.

There is one table, `lectures/claims.toml`. Lectures show it with `table("amp")`; README and site are given
`markdown()`. One row of the file:

    [[claim]]
    id = "amp-speed"                # unique; small letters, digits, hyphens
    topic = "amp"                   # the name of the topic's module and lecture
    tutorial = 2                    # 1 to 5
    claim = "…"                     # as the tutorial states it
    verdict = "…"                   # ours, in a sentence
    [claim.source]                  # the nearest published value
    text = "…"                      # what it says, and in which setting
    opened = true                   # did one of us read it there? if not, tables say "not seen"
    url = "https://…"               # and/or reference = "…"; without both, text begins with "none found"
    [[claim.measured]]              # none, one or more
    quantity = "…"                  # what the value is
    value = 0.61                    # a number
    unit = "×"                      # "" for a count
    device = "cpu (…)"              # on which machine
    dtype = "bf16 against fp32"
    sizes = "batch 16, 64×64"
    seeds = 8                       # how many; 0 where nothing is drawn at random
    spread = [0.60, 0.63]           # an interval around the value (`sizes` says of what), or "exact" for a count
    date = 2026-01-31               # a TOML date
    cell = "2_training/2_1_amp.ipynb#cost-counted"  # what measured it: a notebook's cell, or a study's part
    timing = false                  # a timing depends on the machine, so CI does not measure it again

Every field is required unless it says otherwise, and no other is allowed: a misspelt one would be lost in silence.
"""

import datetime
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from quintet import show

__all__ = ["LEDGER", "Claim", "Measured", "Source", "for_topic", "load", "markdown", "table"]

LEDGER = Path(__file__).resolve().parents[2] / "lectures" / "claims.toml"


@dataclass(frozen=True)
class Source:
    """The nearest published value. opened: one of us has read it at `url` or in `reference`."""

    text: str
    opened: bool
    url: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Measured:
    """One number of ours with its provenance; fields as in the module's docstring."""

    quantity: str
    value: float
    unit: str
    device: str
    dtype: str
    sizes: str
    seeds: int
    spread: tuple[float, float] | str
    date: datetime.date
    cell: str
    timing: bool


@dataclass(frozen=True)
class Claim:
    id: str
    topic: str
    tutorial: int
    claim: str
    source: Source
    verdict: str
    measured: tuple[Measured, ...]


# -------------------------------------------------------------------------------------------------------------- reading


def load(path: Path = LEDGER) -> list[Claim]:
    """All claims, in the order of the file.

    Raises ValueError naming the row and the field that are wrong; FileNotFoundError where there is no ledger.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: not TOML: {error}") from error
    if set(rows) - {"claim"} or not isinstance(rows.get("claim", []), list):
        raise ValueError(f"{path.name}: expected [[claim]] rows and nothing else at the top, found {', '.join(rows)}")
    claims = [_claim(row, number) for number, row in enumerate(rows.get("claim", []), 1)]
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise ValueError(f"claim {claim.id!r}, field 'id': used twice; give each row its own")
        seen.add(claim.id)
    return claims


def for_topic(topic: str, path: Path = LEDGER) -> list[Claim]:
    """The claims of one topic. Raises ValueError where there is none: more often a typing mistake than a fact."""
    claims = load(path)
    found = [claim for claim in claims if claim.topic == topic]
    if not found:
        raise ValueError(
            f"no claim has topic {topic!r}; there are {', '.join(sorted({c.topic for c in claims})) or 'none'}"
        )
    return found


def _claim(row: Mapping[str, Any], number: int) -> Claim:
    name = f"claim {row['id']!r}" if isinstance(row.get("id"), str) else f"claim number {number}"
    _check(row, Claim, name)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["id"]):
        raise _wrong(name, "id", "small letters, digits and single hyphens", row["id"])
    if not row["topic"].isidentifier():
        raise _wrong(name, "topic", "the name of a topic's module", row["topic"])
    if not 1 <= row["tutorial"] <= 5:
        raise _wrong(name, "tutorial", "1 to 5", row["tutorial"])

    where = f"{name}, source"
    _check(row["source"], Source, where)
    source = Source(**row["source"])
    if not (source.url or source.reference or (source.text.startswith("none found") and not source.opened)):
        raise _wrong(
            where, "url", "url or reference (only a text that begins with 'none found' does without)", source.url
        )

    measured = []
    for i, entry in enumerate(row.get("measured", []), 1):
        where = f"{name}, measured {i}"
        _check(entry, Measured, where)
        spread = entry["spread"]
        if isinstance(spread, list):
            if (
                len(spread) != 2
                or not all(_is(part, float) for part in spread)
                or not spread[0] <= entry["value"] <= spread[1]
            ):
                raise _wrong(where, "spread", "[low, high] around the value", spread)
            spread = tuple(spread)
        elif spread != "exact":
            raise _wrong(where, "spread", '[low, high] or "exact"', spread)
        if entry["seeds"] < 0:
            raise _wrong(where, "seeds", "0 or more", entry["seeds"])
        if not re.fullmatch(r"[^#\s]+\.(ipynb|py)#[\w-]+", entry["cell"]):
            raise _wrong(where, "cell", "'folder/notebook.ipynb#cell-id' or 'folder/study.py#part'", entry["cell"])
        measured.append(Measured(**{**entry, "spread": spread}))
    return Claim(**{**row, "source": source, "measured": tuple(measured)})


_OPTIONAL = {(Claim, "measured")}
_MAY_BE_EMPTY = {"url", "reference", "unit"}
_KINDS: dict[str, tuple[type, str]] = {
    "tutorial": (int, "a whole number"),
    "seeds": (int, "a whole number"),
    "value": (float, "a number"),
    "opened": (bool, "true or false"),
    "timing": (bool, "true or false"),
    "date": (datetime.date, "a TOML date such as 2026-01-31, without quotes"),
    "source": (dict, "a table [claim.source]"),
    "measured": (list, "tables [[claim.measured]]"),
}


def _check(row: object, kind: type, where: str) -> None:
    """Every field of the dataclass `kind` is there, of its type and not empty; there is no other."""
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected a table, found {row!r}")
    known = {f.name: f.default is MISSING and (kind, f.name) not in _OPTIONAL for f in fields(kind)}
    for field in row:
        if field not in known:
            raise ValueError(f"{where}, field {field!r}: no such field; there are {', '.join(known)}")
    for field, required in known.items():
        if field not in row:
            if required:
                raise ValueError(f"{where}, field {field!r}: missing")
            continue
        if field == "spread":  # two forms; its caller looks
            continue
        expected, words = _KINDS.get(field, (str, "a text"))
        if not _is(row[field], expected):
            raise _wrong(where, field, words, row[field])
        if expected is str and not row[field].strip() and field not in _MAY_BE_EMPTY:
            raise _wrong(where, field, "a text that is not empty", row[field])


def _is(value: object, expected: type) -> bool:
    if isinstance(value, bool) or isinstance(value, datetime.datetime):  # Python calls these an int and a date
        return expected is bool and isinstance(value, bool)
    return isinstance(value, int | float) and value == value if expected is float else isinstance(value, expected)


def _wrong(where: str, field: str, expected: str, received: object) -> ValueError:
    return ValueError(f"{where}, field {field!r}: expected {expected}, received {received!r}")


# -------------------------------------------------------------------------------------------------------------- showing

_CLAIM_HEADINGS = ("Claim", "Nearest published value", "Measured here", "Verdict")
_MEASURED_HEADINGS = ("Claim", "Quantity", "Value", "Spread", "Device, dtype, sizes", "Seeds", "Date", "Measured by")


def table(topic: str, path: Path = LEDGER) -> show.Piece:
    """A topic's claims beside what was measured, and below it how; a piece like `show.table`'s."""
    claims = for_topic(topic, path)
    first = show.table(_claim_rows(claims), _CLAIM_HEADINGS)
    rows = _measured_rows(claims)
    if not rows:
        return first
    second = show.table(rows, _MEASURED_HEADINGS, caption="How it was measured")
    return show.Piece(first.html + second.html, f"{first.plain}\n\n{second.plain}")


def markdown(topic: str | None = None, path: Path = LEDGER) -> str:
    """The same as Markdown, for README and site; every topic's claims when none is named."""
    claims = load(path) if topic is None else for_topic(topic, path)
    text = _markdown_table(_CLAIM_HEADINGS, _claim_rows(claims, links=True))
    rows = _measured_rows(claims)
    return text + ("\n\nHow it was measured:\n\n" + _markdown_table(_MEASURED_HEADINGS, rows) if rows else "") + "\n"


def _claim_rows(claims: Iterable[Claim], links: bool = False) -> list[tuple[str, ...]]:
    return [
        (
            f"{c.claim} (tutorial {c.tutorial})",
            _source_text(c.source, links),
            "; ".join(f"{m.quantity}: {_number(m.value)}{_unit(m.unit)}" for m in c.measured) or "not measured",
            c.verdict,
        )
        for c in claims
    ]


def _source_text(source: Source, links: bool) -> str:
    where = (
        f"[{source.reference or 'source'}]({source.url})" if links and source.url else source.reference or source.url
    )
    text = f"{source.text} ({where})" if where else source.text
    return text if source.opened or not where else f"{text} – primary source not seen"


def _measured_rows(claims: Iterable[Claim]) -> list[tuple[str, ...]]:
    rows = []
    for c in claims:
        for m in c.measured:
            setting = f"{m.device}; {m.dtype}; {m.sizes}"
            value, seeds = f"{_number(m.value)}{_unit(m.unit)}", str(m.seeds or "–")
            rows.append((c.id, m.quantity, value, _spread_text(m.spread), setting, seeds, m.date.isoformat(), m.cell))
    return rows


def _spread_text(spread: tuple[float, float] | str) -> str:
    return spread if isinstance(spread, str) else f"{_number(spread[0])} to {_number(spread[1])}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}".replace("-", "−")


def _unit(unit: str) -> str:
    return "" if not unit else unit if unit == "×" else f"\u00a0{unit}"


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def text_line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([text_line(headings), text_line(["---"] * len(headings)), *map(text_line, rows)])
