"""Students' hypertext on graders' pages: the harmless stays, what runs or loads goes, and nothing stops its reader."""

import time

import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import v4

from quintet_grading import hostile, markup

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize(
    "text",
    [
        "<b>bold</b> <i>and</i> 中文",
        '<table class="dataframe"><thead><tr style="text-align: right;"><th></th></tr></thead></table>',
        '<a href="https://example.org/x">x</a> <a href="#section">y</a>',
        f'<img alt="one pixel" src="data:image/png;base64,{PIXEL}">',
        "<details><summary>more</summary><p>a &lt; b</p></details>",
    ],
)
def test_what_is_harmless_stays(text):
    assert markup.clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<img src="https://example.org/seen.png">',
        '<img src="data:image/svg+xml;base64,AAAA">',
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" JaVa\nScript:alert(1)">x</a>',
        '<a href="data:text/html,<script>">x</a>',
        "<svg/onload=alert(1)>",
        '<p style="background:url(https://example.org)">x</p>',
        "<style>p{}</style><base href=x><form action=x><input></form><iframe src=x></iframe>",
        "<b><b onclick=alert(1)>x",
    ],
)
def test_what_runs_or_loads_goes(text):
    cleaned = markup.clean(text)
    assert not hostile._active(cleaned) and "example.org" not in cleaned


@pytest.mark.parametrize(
    "text",
    ["<div>" * 30_000, "<b><i>" * 10_000 + "</b>" * 10_000, f'<b style="{"(" * 50_000}">x</b>', "&#x" * 60_000,
     "<" * 90_000, "<!--" * 40_000, "<p>" * 20_000, "<table><tr><td>" * 5_000, f'<b style="{"(" * 499}">x</b>'],
)  # fmt: skip
def test_no_text_stops_its_reader(text):
    start = time.process_time()
    assert not hostile._active(markup.clean(text))
    assert time.process_time() - start < 30, "seconds of CPU; a quadratic reader takes minutes"


def test_a_long_chain_of_elements_one_after_the_other_is_not_too_deep():
    text = "<p>x" * 500 + "<br>" * 500 + "<ul>" + "<li>y" * 500 + "</ul>"
    assert not markup.clean(text).startswith("<pre>")


@pytest.mark.parametrize(
    ("text", "good"),
    [(PIXEL, True), (PIXEL[:40] + "\n" + PIXEL[40:], True), ("", True), ("abc", False), ("a!==", False)],
)
def test_base64_is_told_from_other_text(text, good):
    assert markup.is_base64(text) is good


def page(source: str, **attachments) -> str:
    cell = v4.new_markdown_cell(source, attachments=attachments)
    exporter = HTMLExporter(filters={"markdown2html": "quintet_grading.markup.markdown2html"}, template_name="classic")
    return exporter.from_notebook_node(v4.new_notebook(cells=[cell]))[0]


def test_a_text_cell_keeps_its_form_its_formulas_and_its_pictures():
    made = page("# Why\n\n$a < b$ and `x < y`\n\n![p](attachment:p.png)", **{"p.png": {"image/png": PIXEL}})
    assert "<h1" in made and "$a &lt; b$" in made and "<code>x &lt; y</code>" in made
    assert f"data:image/png;base64,{PIXEL}" in made


@pytest.mark.parametrize("source", ["![x](attachment:missing.png)", "![x](attachment\\:missing.png)", "[" * 5_000])
def test_a_text_that_cannot_be_converted_stands_as_it_is(source):
    assert source[:20] in page(source)


def test_scripts_in_a_text_cell_do_not_reach_the_page():
    plain, evil = page("x"), page("<script>alert(1)</script><img src=x onerror=alert(1)>\n\n[x](javascript:alert(1))")
    assert not hostile._active(evil) - hostile._active(plain)
