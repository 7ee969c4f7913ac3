"""The bench runner finds rows, selects them, makes sure that both sides agree, and reports. No test asserts a time."""

import io
import json
import sys
import textwrap

import pytest
import torch
from rich.console import Console

from quintet_grading import Refusal, bench

TOY = """
    import torch
    from quintet_grading.bench import bench

    @bench(peer="torch.sum", bar=1e-9, rounds=6)
    def sum_by_hand():
        x = torch.ones(50)
        return lambda: sum(x.tolist()), lambda: torch.sum(x).item()

    @bench(peer="a peer nobody has", bar=1e6, rounds=1)
    def out_of_reach():
        return (lambda: None), (lambda: None)

    @bench(peer="math.tau", rounds=2)
    def only_informs():
        return (lambda: torch.get_num_threads()), (lambda: 1)
"""
NAMES = ["toy/sum-by-hand", "toy/out-of-reach", "toy/only-informs"]


@pytest.fixture
def topics(monkeypatch, tmp_path):
    """The package holds nothing but the topics that `topics(name=source)` writes into it."""
    monkeypatch.setattr(bench, "__path__", [str(tmp_path)])

    def write(**sources):
        for name, source in sources.items():
            monkeypatch.delitem(sys.modules, f"{bench.__name__}.{name}", raising=False)
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))

    yield write
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(f"{bench.__name__}.{file.stem}", None)


def test_a_file_in_the_package_is_a_topic_and_its_functions_are_rows(topics):
    assert bench.known() == []
    topics(toy=TOY, other="")
    assert [b.name for b in bench.known()] == NAMES
    assert {b.topic for b in bench.known()} == {"toy"}


def test_rows_have_the_fixed_json_shape(topics):
    topics(toy=TOY)
    rows = json.loads(json.dumps(bench.run()))
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert list(row) == ["name", "topic", "ours_s", "peer", "peer_s", "ratio", "bar"]
        assert all(isinstance(row[key], float) and row[key] > 0 for key in ("ours_s", "peer_s", "ratio"))
    assert [row["bar"] for row in rows] == [1e-9, 1e6, None]
    assert rows[0]["peer"] == "torch.sum"


def test_names_and_topics_select_each_row_once(topics):
    topics(toy=TOY, extra=TOY.replace("sum_by_hand", "another"))
    assert [b.name for b in bench.select([NAMES[1]])] == [NAMES[1]]
    assert [b.name for b in bench.select([NAMES[1], "toy"])] == NAMES
    assert len(bench.select([])) == len(bench.select(["toy", "extra"])) == 6


def test_an_unknown_name_names_the_known_ones(topics):
    topics(toy=TOY)
    with pytest.raises(Refusal, match="no bench is called sum-by-hand; there are: toy, toy/sum-by-hand, ") as error:
        bench.run(["sum-by-hand", "toy"])
    assert all(name in str(error.value) for name in NAMES)


def test_two_different_computations_are_not_compared(topics):
    topics(wrong=TOY.replace("torch.sum(x).item()", "49.0"))
    with pytest.raises(AssertionError, match="49"):
        bench.run(["wrong/sum-by-hand"])


def test_a_missing_peer_says_what_to_install(topics):
    topics(lone=TOY.replace("x = torch.ones(50)", "import a_peer_nobody_has"))
    with pytest.raises(Refusal, match="lone/sum-by-hand .* needs a_peer_nobody_has: run `make setup`"):
        bench.run(["lone/sum-by-hand"])


def test_both_sides_run_on_the_threads_asked_for_and_the_old_number_returns(topics, monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        topics(toy=TOY)
        bench.run(["toy/only-informs"])  # its sides agree on one thread only
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_table_shows_machine_ratio_and_bar(topics):
    topics(toy=TOY)
    console = Console(width=80, record=True, file=io.StringIO())
    rows = bench.run()
    console.print(bench.table(rows))
    text = console.export_text()
    assert f"torch {torch.__version__}" in text and all(row["peer"] in text for row in rows)
    cells = {row["name"]: next(line for line in text.splitlines() if row["name"] in line).split() for row in rows}
    assert [cells[name][-1] for name in NAMES] == ["✓", "✗", "informs"]
    assert f"{rows[0].spread.low:.2f}–{rows[0].spread.high:.2f}" in text
    plain = json.loads(json.dumps(bench.run(NAMES[:1])))
    console.print(bench.table(plain))  # rows from a file have no interval


@pytest.mark.slow
@pytest.mark.parametrize("row", [b for b in bench.known() if b.setup], ids=lambda b: b.name)
def test_the_sides_of_every_real_row_agree(row):
    try:
        ours, theirs = row.setup()
    except ModuleNotFoundError as missing:
        pytest.skip(f"needs {missing.name}")
    ours(), theirs()
    row.agree(ours(), theirs())
