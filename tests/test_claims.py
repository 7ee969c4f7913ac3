"""The ledger is whole, malformed rows are named, and every rendering says what nobody opened."""

import datetime
from pathlib import Path

import nbformat
import pytest

from quintet import claims, show

ROW = """
[[claim]]
id = "a-claim"
topic = "amp"
tutorial = 2
claim = "twice as | fast"
verdict = "no"
[claim.source]
text = "1.5×"
opened = false
reference = "Someone 2018"
[[claim.measured]]
quantity = "time ratio"
value = 0.61234
unit = "×"
device = "cpu"
dtype = "bf16"
sizes = "batch 16"
seeds = 0
spread = [0.6, 0.63]
date = 2026-01-31
cell = "2_training/2_1_amp_study.py#speed"
timing = true
"""


@pytest.fixture
def ledger(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "claims.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# ---------------------------------------------------------------------------------------------- the repository's ledger


def test_the_repositorys_ledger_loads_and_has_the_amp_rows():
    assert {"amp-speed", "amp-mem"} <= {c.id for c in claims.for_topic("amp")}
    for claim in claims.for_topic("amp"):
        assert claim.measured and claim.verdict and claim.tutorial == 2


def test_every_measured_value_names_a_file_and_cell_that_exist():
    for claim in claims.load():
        for measured in claim.measured:
            name, _, part = measured.cell.partition("#")
            path = claims.LEDGER.parent / name
            if path.suffix == ".ipynb":
                assert part in {cell.id for cell in nbformat.read(path, 4).cells}, measured.cell
            else:
                assert f'"{part}"' in path.read_text(encoding="utf-8"), measured.cell


def test_a_timing_is_marked_as_one():
    for claim in claims.load():
        for measured in claim.measured:
            if "time" in measured.quantity.split() or measured.unit in ("s", "ms", "µs"):
                assert measured.timing, f"{claim.id}: {measured.quantity}"


# ---------------------------------------------------------------------------------------------------------- well-formed


def test_a_row_is_read_with_its_types(ledger):
    (claim,) = claims.load(ledger(ROW))
    (measured,) = claim.measured
    assert (claim.id, claim.tutorial, claim.source.opened, claim.source.url) == ("a-claim", 2, False, "")
    assert measured.date == datetime.date(2026, 1, 31) and measured.spread == (0.6, 0.63) and measured.timing is True


def test_a_claim_may_be_unmeasured_and_an_exact_count_has_no_interval(ledger):
    (claim,) = claims.load(ledger(ROW.split("[[claim.measured]]")[0]))
    assert claim.measured == ()
    exact = ROW.replace("[0.6, 0.63]", '"exact"').replace("0.61234", "42")
    assert claims.load(ledger(exact))[0].measured[0].spread == "exact"


def test_an_empty_ledger_has_no_claims(ledger):
    assert claims.load(ledger("")) == []


# ------------------------------------------------------------------------------------------------------------ malformed

BAD = [  # what is replaced, by what, and what the error must name
    ('verdict = "no"', "", "claim 'a-claim', field 'verdict': missing"),
    ('verdict = "no"', 'verdict = " "', "claim 'a-claim', field 'verdict'"),
    ('verdict = "no"', 'verdikt = "no"', "claim 'a-claim', field 'verdikt': no such field"),
    ('id = "a-claim"', "", "claim number 1, field 'id': missing"),
    ('id = "a-claim"', 'id = "A claim"', "field 'id'"),
    ("tutorial = 2", "tutorial = 6", "claim 'a-claim', field 'tutorial'"),
    ("tutorial = 2", "tutorial = true", "claim 'a-claim', field 'tutorial'"),
    ('topic = "amp"', 'topic = "no topic"', "claim 'a-claim', field 'topic'"),
    ("opened = false", 'opened = "no"', "claim 'a-claim', source, field 'opened'"),
    ("opened = false", "", "claim 'a-claim', source, field 'opened': missing"),
    ('reference = "Someone 2018"', "", "claim 'a-claim', source, field 'url'"),
    ("value = 0.61234", 'value = "0.6"', "claim 'a-claim', measured 1, field 'value'"),
    ("value = 0.61234", "value = nan", "claim 'a-claim', measured 1, field 'value'"),
    ("value = 0.61234", "value = true", "claim 'a-claim', measured 1, field 'value'"),
    ("value = 0.61234", "value = 0.7", "claim 'a-claim', measured 1, field 'spread'"),
    ("spread = [0.6, 0.63]", "spread = [0.63, 0.6]", "claim 'a-claim', measured 1, field 'spread'"),
    ("spread = [0.6, 0.63]", 'spread = "small"', "claim 'a-claim', measured 1, field 'spread'"),
    ("seeds = 0", "seeds = -1", "claim 'a-claim', measured 1, field 'seeds'"),
    ("seeds = 0", "seeds = 1.5", "claim 'a-claim', measured 1, field 'seeds'"),
    ("date = 2026-01-31", 'date = "2026-01-31"', "claim 'a-claim', measured 1, field 'date'"),
    ("date = 2026-01-31", "date = 2026-01-31T10:00:00", "claim 'a-claim', measured 1, field 'date'"),
    ("#speed", "", "claim 'a-claim', measured 1, field 'cell'"),
    ("timing = true", "timing = 1", "claim 'a-claim', measured 1, field 'timing'"),
    ("timing = true", "", "claim 'a-claim', measured 1, field 'timing': missing"),
    ('device = "cpu"', 'device = ""', "claim 'a-claim', measured 1, field 'device'"),
    ("[[claim.measured]]", "[claim.measured]", "claim 'a-claim', field 'measured'"),
    ("[[claim]]", "[[claims]]", "expected [[claim]] rows"),
    ('id = "a-claim"', "id = ", "not TOML"),
]


@pytest.mark.parametrize(("old", "new", "named"), BAD, ids=[f"{o[:18]}->{n[:18]}" for o, n, _ in BAD])
def test_a_malformed_row_is_refused_by_row_and_field(ledger, old, new, named):
    assert old in ROW
    with pytest.raises(ValueError) as error:
        claims.load(ledger(ROW.replace(old, new)))
    assert named in str(error.value)


def test_an_id_is_used_once(ledger):
    with pytest.raises(ValueError, match="claim 'a-claim', field 'id': used twice"):
        claims.load(ledger(ROW + ROW))


def test_an_unknown_topic_is_an_error_that_lists_the_known(ledger):
    with pytest.raises(ValueError, match="no claim has topic 'apm'; there are amp"):
        claims.for_topic("apm", ledger(ROW))


# ------------------------------------------------------------------------------------------------------------ rendering


def test_what_nobody_opened_is_said_wherever_it_is_shown(ledger):
    path = ledger(ROW)
    piece = claims.table("amp", path)
    for text in (piece.html, piece.plain, claims.markdown("amp", path)):
        assert "1.5× (Someone 2018) – primary source not seen" in text
    opened = ledger(ROW.replace("opened = false", "opened = true"))
    assert "not seen" not in claims.table("amp", opened).plain + claims.markdown(path=opened)


def test_a_table_is_a_piece_and_carries_the_provenance(ledger):
    piece = claims.table("amp", ledger(ROW))
    assert isinstance(piece, show.Piece) and set(piece._repr_mimebundle_()) == {"text/html", "text/plain"}
    for part in ("0.612×", "0.6 to 0.63", "cpu", "bf16", "batch 16", "2026-01-31", "2_1_amp_study.py#speed"):
        assert part in piece.html and part in piece.plain


def test_markdown_rows_have_as_many_cells_as_their_heading(ledger):
    lines = claims.markdown(path=ledger(ROW)).splitlines()
    assert any("Verdict" in line for line in lines) and any("Spread" in line for line in lines)
    for line in lines:
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (5, 9)
    assert "twice as \\| fast" in "\n".join(lines)  # a bar in a text does not end its cell


def test_a_link_is_made_for_readers_of_markdown(ledger):
    path = ledger(ROW.replace("opened = false", 'opened = true\nurl = "https://example.org/a"'))
    assert "([Someone 2018](https://example.org/a))" in claims.markdown(path=path)
