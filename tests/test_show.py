"""show: what a page gets is escaped, has a twin without HTML, is the same each time, and can be told apart in grey."""

import base64
import re
import struct
from html.parser import HTMLParser
from itertools import combinations

import ipywidgets as widgets
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from nbconvert import HTMLExporter
from skimage.color import rgb2lab

from quintet import show

HOSTILE = "<script>alert('x')</script>&\"quoted\""


class Page(HTMLParser):
    """Tags with attributes, and the text that a reader sees; fails on a tag that is left open."""

    VOID = {"img", "br", "meta", "link"}

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def a_figure(height=1.0):
    fig, ax = show.figure("A finding")
    ax.plot([0, 1], [0, height], **show.line("ours"))
    return fig


# ----------------------------------------------------------------------------------------------------------- style

# Meanings that meet in one picture.
TOGETHER = [("fp32", "fp16", "bf16", "int8"), ("fp16", "zero", "inf"), ("bf16", "zero", "inf"),
            ("ours", "peer", "baseline"), ("good", "bad"), ("train", "test")]  # fmt: skip
PAIRS = sorted({pair for group in TOGETHER for pair in combinations(group, 2)})

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colour, vision):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def test_the_simulation_of_colour_blindness_works():
    green, red = "#7AA641", "#D95F4C"
    normal, deutan = (np.linalg.norm(seen(green, v) - seen(red, v)) for v in ("normal", "deutan"))
    assert deutan < normal / 3, "precondition: a pair that a deuteranope confuses"


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_meanings_in_one_picture_differ_for_every_eye(a, b, vision):
    # ΔE 1976; about 2.3 is just noticeable side by side, 15 is plain in separate thin lines
    assert np.linalg.norm(seen(show.COLOR[a], vision) - seen(show.COLOR[b], vision)) > 15


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_and_without_any_colour(a, b):
    one, other = show.line(a), show.line(b)
    assert one["linestyle"] != other["linestyle"] and one["marker"] != other["marker"]
    assert show.bar(a)["hatch"] != show.bar(b)["hatch"]


def test_unknown_meanings_and_untitled_figures_are_refused():
    with pytest.raises(ValueError, match="choose one of fp32"):
        show.line("fp64")
    with pytest.raises(ValueError, match="title"):
        show.figure("  ")


def test_figure_panels_and_title():
    fig, axes = show.figure("a long finding " * 12, 2, 3, sharex=True)
    assert axes.shape == (2, 3)
    assert fig.get_suptitle().count("\n") >= 1
    fig.draw_without_rendering()
    box = fig._suptitle.get_window_extent()
    assert box.x1 <= fig.bbox.x1, "the title runs out of the picture"


# --------------------------------------------------------------------------------------------------------- picture


def test_picture_is_html_with_alt_and_a_text_twin():
    piece = show.picture(a_figure(), f'Line "up"\n to {HOSTILE}')
    bundle = piece._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    page = Page(bundle["text/html"])
    (img,) = page.all("img")
    assert img["alt"] == bundle["text/plain"] == f'Line "up" to {HOSTILE}'
    assert not page.all("script")
    png = base64.b64decode(img["src"].removeprefix("data:image/png;base64,"))
    pixels = struct.unpack(">I", png[16:20])[0]
    assert pixels >= 1.5 * int(img["width"]) and int(img["width"]) < 900  # sharp, and fits a 1280 px window
    assert b"tEXt" not in png and b"tIME" not in png


def test_where_pictures_are_off_the_alt_text_stands_in_their_place(monkeypatch):
    monkeypatch.setenv("QUINTET_PICTURES", "off")
    monkeypatch.setattr(show, "_png", None)  # nothing is drawn
    before = plt.get_fignums()
    piece = show.picture(plt.figure(), f"A line to {HOSTILE}", table=[{"x": 1}])
    assert plt.get_fignums() == before
    page = Page(piece.html)
    assert not page.all("img") and not page.all("script") and page.all("table")
    assert piece.plain.startswith(f"A line to {HOSTILE}")
    with pytest.raises(ValueError, match="alt text"):
        show.picture(a_figure(), "")


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_alt_is_required(alt):
    with pytest.raises(ValueError, match="alt text"):
        show.picture(a_figure(), alt)


def test_only_a_figure_is_a_picture():
    with pytest.raises(ValueError, match="got NoneType"):
        show.picture(None, "nothing")


def test_same_figure_same_bytes_other_figure_other_bytes():
    one, same, other = (show.picture(a_figure(h), "a line").html for h in (1.0, 1.0, 2.0))
    assert one == same != other


def test_a_pyplot_figure_is_closed():
    plt.switch_backend("agg")
    before = plt.get_fignums()
    fig, _ = plt.subplots()
    assert plt.get_fignums() != before
    show.picture(fig, "empty axes")
    assert plt.get_fignums() == before


# ----------------------------------------------------------------------------------------------------------- table


def test_table_escapes_everything():
    piece = show.table([{HOSTILE: HOSTILE}], caption=HOSTILE)
    page = Page(piece.html)
    assert not page.all("script")
    assert page.text.count(HOSTILE) == 3 and piece.plain.count(HOSTILE) == 3


def test_table_formats_and_aligns():
    rows = [
        {"name": "ring", "seconds": 1.23456e-5, "bytes": 1_234_567, "混合": "精度", "ok": True},
        {"name": "b", "seconds": torch.tensor(3.0), "bytes": None, "ok": False},
        {"name": "c", "seconds": np.float32("nan"), "bytes": 2026, "extra": 1},
    ]
    piece = show.table(rows, caption="Times")
    assert piece.plain.split("\n") == [
        "Times",
        "name   seconds      bytes  混合  ok   extra",
        "----  --------  ---------  ----  ---  -----",
        "ring  1.235e-5  1,234,567  精度  yes      –",
        "b            3          –  –     no       –",
        "c          nan       2026  –     –        1",
    ]
    page = Page(piece.html)
    sides = [re.search(r"text-align:(\w+)", cell["style"])[1] for cell in page.all("th")]
    assert sides == ["left", "right", "right", "left", "left", "right"]
    assert all(cell["scope"] == "col" for cell in page.all("th"))
    assert len(page.all("td")) == 18 and page.all("caption")


def test_table_columns_choose_order_and_name():
    rows = [{"a": 1, "b": 2, "c": 3}]
    assert show.table(rows, ["c", "a"]).plain.split() == ["c", "a", "-", "-", "3", "1"]
    assert show.table(rows, {"b": "time / ms"}).plain.startswith("time / ms")
    assert show.table([(1, 2)], ["x", "y"]).plain.split()[-2:] == ["1", "2"]
    assert show.table([], ["x"]).plain == "x\n-"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(([],), "at least one column"), (([(1, 2)],), "columns"), (([(1, 2)], ["x"]), "expected 1 values")],
)
def test_table_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        show.table(*arguments)


# --------------------------------------------------------------------------------------------- question and reveal

WHY = ["Below 2⁻²⁴ nothing is left.", "The *largest* is 65504.", "That needs an `inf` first."]


def a_question(answer=0, why=WHY):
    return show.question("What does `x < y` do to $2^{-30}$?", ["zero", "inf", "NaN"], answer, why)


def test_question_says_right_and_wrong_with_each_reason():
    piece = a_question()
    page = Page(piece.html)
    assert len(page.all("details")) == len(page.all("summary")) == 3
    assert not page.all("script") and not page.all("input")  # works with no kernel and after sanitising
    assert all("open" not in attrs for attrs in page.all("details"))
    verdicts = re.findall(r"[A-C]\. (\w+)[✔✘] (Right|Not so)\. ([^.]*)\.", page.text)
    assert verdicts == [
        ("zero", "Right", "Below 2⁻²⁴ nothing is left"),
        ("inf", "Not so", "The largest is 65504"),
        ("NaN", "Not so", "That needs an inf first"),
    ]
    assert piece.plain.index("C. NaN") < piece.plain.index("A. Right.")  # the text twin asks before it answers


def test_answer_and_feedback_by_text_or_index():
    by_text = dict(zip(["zero", "inf", "NaN"], WHY, strict=True))
    assert a_question().html == a_question("zero", by_text).html == a_question([0], dict(enumerate(WHY))).html
    assert a_question({"zero", 1}).html.count("✔") == 2


@pytest.mark.parametrize(
    ("answer", "why", "message"),
    [(3, WHY, "no option"), ("two", WHY, "no option"), (0, WHY[:2], "NaN"), (0, ["a", " ", "c"], "inf"),
     ([], WHY, "the answer"), (0, {"zerro": "a"}, "no option")],
)  # fmt: skip
def test_a_question_with_a_hole_is_refused(answer, why, message):
    with pytest.raises(ValueError, match=message):
        a_question(answer, why)


def test_prose_is_markdown_with_math_and_html_is_escaped():
    piece = show.reveal(f"Is $a_i < b_i$ {HOSTILE}?", "**No**, `f(x)`.\n\n- one\n- two")
    page = Page(piece.html)
    assert not page.all("script") and page.all("strong") and len(page.all("li")) == 2
    assert r"\(a_i < b_i\)" in page.text and "<script>" in page.text


def test_reveal_hides_a_picture_and_keeps_its_twin():
    piece = show.reveal("Predict, then look", "It falls:", show.picture(a_figure(), "A falling line"))
    page = Page(piece.html)
    assert [tag for tag, _ in page.tags[:2]] == ["details", "summary"] and len(page.all("img")) == 1
    assert piece.plain == "Predict, then look\n\nIt falls:\n\nA falling line"
    with pytest.raises(ValueError, match="summary"):
        show.reveal("nothing inside")
    with pytest.raises(ValueError, match="got int"):
        show.reveal("a number inside", 3)


# -------------------------------------------------------------------------------------------------------- explorer


def an_explorer(draw=a_figure, **kwargs):
    return show.explorer(
        draw,
        lambda height: f"A line up to {height}",
        table=lambda height: [{"x": 1, "y": height}],
        height=widgets.FloatSlider(1.0, min=0, max=4, description="height"),
        **kwargs,
    )


def shown(explorer, monkeypatch):
    """What a cell that ends in the explorer stores, as notebook outputs."""
    outputs = []

    def display(value, raw=False):
        data = value if raw else value._repr_mimebundle_()
        outputs.append(nbformat.v4.new_output("display_data", data=data))

    monkeypatch.setattr("IPython.display.display", display)
    explorer._ipython_display_()
    return outputs


def test_explorer_stores_a_twin_and_a_view_with_all_three_forms(monkeypatch):
    twin, view = shown(an_explorer(), monkeypatch)
    assert set(twin.data) == {"text/html", "text/plain"}
    assert set(view.data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert view.data["text/html"] == view.data["text/plain"] == ""  # shown already: a front end without widgets
    page = Page(twin.data["text/html"])
    assert [img["alt"] for img in page.all("img")] == ["A line up to 1.0"]
    assert page.all("table") and "height: 1.0" in page.text
    assert "A line up to 1.0" in twin.data["text/plain"]


def test_the_live_view_hides_the_twin_and_only_that():
    explorer = an_explorer()
    name = Page(explorer.twin.html).all("div")[0]["id"]
    rules = [w.value for w in explorer.widget.children if isinstance(w, widgets.HTML) and "<style>" in w.value]
    assert rules == [f"<style>#{name}{{display:none}}</style>"]
    assert "<style>" not in explorer.twin.html
    assert name == Page(an_explorer().twin.html).all("div")[0]["id"], "a stored notebook must not change at every run"


@pytest.mark.parametrize("with_state", [False, True])
def test_an_export_without_widgets_shows_the_picture_once(monkeypatch, with_state):
    explorer = an_explorer()
    cell = nbformat.v4.new_code_cell("explore", outputs=shown(explorer, monkeypatch))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    if with_state:  # as papermill stores it
        model = explorer.widget.model_id
        state = {"version_major": 2, "version_minor": 0, "state": {model: {"state": {}}}}
        notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    html, _ = HTMLExporter().from_notebook_node(notebook)
    assert html.count('<img alt="A line up to 1.0"') == 1
    assert html.count('<div id="quintet-twin-') == 1


def test_moving_a_control_redraws_and_leaks_nothing(capfd):
    plt.switch_backend("agg")

    def draw(height):
        fig, ax = plt.subplots()  # the careless way
        ax.plot([0, height])
        return fig

    before = plt.get_fignums()
    explorer = an_explorer(draw)
    control = explorer.controls["height"]
    assert control.continuous_update is False
    first = explorer._picture.value
    for height in (2.0, 3.0, 1.0):
        control.value = height
    assert explorer.redraws == 3
    assert explorer._picture.value == first
    control.value = 2.0
    assert explorer._picture.value != first and 'alt="A line up to 2.0"' in explorer._picture.value
    assert Page(explorer._rows.value).text == "xy12"
    assert 'alt="A line up to 1.0"' in explorer.twin.html
    assert plt.get_fignums() == before
    assert capfd.readouterr() == ("", "")


def test_an_error_while_playing_is_shown_on_the_page(capfd):
    def draw(height):
        if height > 2:
            raise ZeroDivisionError(HOSTILE)
        return a_figure(height)

    explorer = an_explorer(draw)
    explorer.controls["height"].value = 3.0
    page = Page(explorer._picture.value)
    assert page.text == f"ZeroDivisionError: {HOSTILE}" and page.all("p") == [{"role": "alert"}]
    explorer.controls["height"].value = 1.5
    assert "<img" in explorer._picture.value
    assert capfd.readouterr() == ("", "")


def test_an_error_in_the_first_drawing_is_raised():
    with pytest.raises(ValueError, match="return the figure"):
        an_explorer(lambda height: None)


def test_the_table_opens_and_closes():
    explorer = an_explorer()
    (box,) = [w for w in explorer.widget.children if isinstance(w, widgets.Checkbox)]
    assert explorer._rows.layout.display == "none"
    box.value = True
    assert explorer._rows.layout.display == ""
    box.value = False
    assert explorer._rows.layout.display == "none"


@pytest.mark.parametrize("controls", [{}, {"height": widgets.FloatSlider()}, {"height": 3}])
def test_controls_need_a_label(controls):
    with pytest.raises(ValueError, match="control"):
        show.explorer(a_figure, "a line", **controls)
