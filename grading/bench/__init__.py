"""Our reference implementations timed beside the peers that users trust.

    rows = run(["amp"])      # or exact names, or nothing for all
    print(table(rows))       # with rich

A topic's rows are functions in `<topic>.py` beside this file; being there is all the registration there is:

    @bench(peer="torch.amp.GradScaler", bar=1 / 1.2)
    def scaler_step():                                  # the row amp/scaler-step
        ...                                             # set up, untimed; import the peer here and not above
        return ours, theirs

Each side is a function without arguments that does the work once and returns what it computed. Before the clock starts
both run once and must agree: a ratio between two different computations means nothing. Then they run in turns in one
process (`measure.compare`), and the ratio is the median of peer ÷ ours within each round.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich import box
from rich.table import Table

from quintet import measure
from quintet_grading import Refusal

Side = Callable[[], Any]


@dataclass(frozen=True)
class Bench:
    """How one row is made. bar: the least ratio peer ÷ ours that we promise, None where the row only informs.

    rounds, seconds: stop after so many rounds, or so many seconds.
    threads: of PyTorch's pool. One by default: on a shared machine a second one measures how often a core is taken.
    device: to wait for on both sides of the clock.
    agree: raises where the results of the two sides differ.
    """

    name: str
    topic: str
    peer: str
    bar: float | None
    setup: Callable[[], tuple[Side, Side]] | None = None
    whole: Callable[[], tuple[float, float]] | None = None  # instead of setup: seconds of ours and of the peer
    rounds: int = 100
    seconds: float = 30.0
    threads: int = 1
    device: str = "cpu"
    agree: Callable[[Any, Any], object] = torch.testing.assert_close


def bench(*, peer: str, bar: float | None = None, **options: Any) -> Callable[[Callable[[], tuple[Side, Side]]], Bench]:
    """Make a row of the set-up below it; `scaler_step` in `amp.py` becomes `amp/scaler-step`. Options as in `Bench`."""

    def row(setup: Callable[[], tuple[Side, Side]]) -> Bench:
        topic = setup.__module__.rpartition(".")[2]
        return Bench(f"{topic}/{setup.__name__.replace('_', '-')}", topic, peer, bar, setup, **options)

    return row


def whole(*, name: str, peer: str, bar: float | None = None) -> Callable[[Callable[[], tuple[float, float]]], Bench]:
    """Make a row of a function that times whole commands itself and returns seconds per unit of ours and the peer's:
    they cannot be run in turns within one process."""

    def row(function: Callable[[], tuple[float, float]]) -> Bench:
        return Bench(name, name.partition("/")[0], peer, bar, whole=function)

    return row


class Row(dict):
    """What the JSON holds: name, topic, ours_s, peer, peer_s, ratio, bar. spread: of the ratio, for the table."""

    spread: measure.Ratio | None = None


def known() -> list[Bench]:
    """Every row there is, in the order of the topics' names and of the functions in a topic."""
    modules = [importlib.import_module(f"{__name__}.{topic}") for _, topic, _ in pkgutil.iter_modules(__path__)]
    return [value for module in modules for value in vars(module).values() if isinstance(value, Bench)]


def select(names: Iterable[str]) -> list[Bench]:
    """The rows with these names or of these topics, each once; all for no names. Refusal for any other name."""
    names, rows = set(names), known()
    unknown = names - {b.name for b in rows} - {b.topic for b in rows}
    if unknown:
        there = ", ".join([*sorted({b.topic for b in rows}), *(b.name for b in rows)])
        raise Refusal(f"no bench is called {', '.join(sorted(unknown))}; there are: {there}")
    return [b for b in rows if not names or {b.name, b.topic} & names]


def run(names: Iterable[str] = (), progress: Callable[[str], object] = lambda name: None) -> list[Row]:
    """Time the rows that `names` select. progress: called with a row's name before it starts.

    Raises Refusal for an unknown name or where a peer is not installed, and what `agree` raises.
    """
    rows = []
    for b in select(names):
        progress(b.name)
        rows.append(_timed(b))
    return rows


def _timed(b: Bench) -> Row:
    if b.whole is not None:
        ours_s, peer_s = b.whole()
        return Row(
            name=b.name, topic=b.topic, ours_s=ours_s, peer=b.peer, peer_s=peer_s, ratio=peer_s / ours_s, bar=b.bar
        )  # fmt: skip
    try:
        ours, theirs = b.setup()
    except ModuleNotFoundError as missing:
        text = f"{b.name} is timed beside {b.peer}, which needs {missing.name}: run `make setup`"
        raise Refusal(text) from missing
    with _threads(b.threads):
        b.agree(ours(), theirs())
        candidates = {"ours": ours, "peer": theirs}
        times = measure.compare(candidates, device=b.device, repeats=b.rounds, budget_seconds=b.seconds)
    spread = measure.ratio(times["peer"], times["ours"])
    row = Row(
        name=b.name, topic=b.topic, ours_s=times["ours"].median,
        peer=b.peer, peer_s=times["peer"].median, ratio=spread.median, bar=b.bar,
    )  # fmt: skip
    row.spread = spread
    return row


@contextmanager
def _threads(n: int):
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def table(rows: Sequence[Row]) -> Table:
    """For people: the machine, and for each row both times, the ratio with its interval, and whether the bar is met."""
    drawn = Table(title=_machine(), title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD)
    drawn.caption = "ratio: peer ÷ ours within a round, the median and its 95 % interval; above 1, ours is faster"
    for column in ("bench", "ours", "peer", "ratio", "bar"):
        drawn.add_column(column, no_wrap=True)
    for row in rows:
        bar, spread = row["bar"], getattr(row, "spread", None)
        drawn.add_row(
            row["name"],
            measure.seconds_text(row["ours_s"]),
            f"{measure.seconds_text(row['peer_s'])}\n[dim]{row['peer']}",
            f"{row['ratio']:.2f}×" + (f"\n[dim]{spread.low:.2f}–{spread.high:.2f}" if spread else ""),
            "informs" if bar is None else f"≥ {bar:.2f} {'✓' if row['ratio'] >= bar else '✗'}",
        )
    return drawn


def _machine() -> str:
    m = measure.machine()
    devices = [m["cpu"]["model"] or "unknown processor", *(gpu["name"] for gpu in m["cuda"])]
    cores = m["cpu"]["quota_cores"] or m["cpu"]["usable_cores"]
    return f"{' · '.join(devices)} · {cores} cores · torch {m['torch']} · {m['platform']}"
