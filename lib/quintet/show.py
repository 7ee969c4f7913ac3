"""The pieces of a notebook page: one plot style, pictures with alt text, tables, questions, explorers.

Every function here returns a *piece*: the last line of a cell shows it, `display(a, b)` shows several, and `reveal`
puts one inside another. A piece carries HTML for a browser and a plain-text twin for everything else.

Strings given to `question` and `reveal` are Markdown with `$math$`; HTML in them is escaped, like the cells of a
`table`. Put HTML inside by passing a piece.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from html import escape
from numbers import Integral, Real
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

__all__ = [
    "COLOR", "Explorer", "Piece", "bar", "explorer", "figure", "line", "picture", "question", "reveal", "table", "use",
]  # fmt: skip

# --------------------------------------------------------------------------------------------------------------- style

# Okabe & Ito (2008): eight colours that people with any colour vision can tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"

# One look per meaning, the same in every lecture. Three of the hues are equally dark, so colour is never alone:
# line style and marker (or hatch) tell the meanings apart in grey too.
_LOOKS: dict[str, tuple[str, Any, str, str]] = {
    # meaning: colour, line style, marker, hatch
    "fp32": (BLACK, "-", "o", ""),
    "fp16": (BLUE, "--", "s", "//"),
    "bf16": (GREEN, "-.", "^", "\\\\"),
    "int8": (PURPLE, ":", "D", "++"),
    "ours": (BLUE, "-", "o", ""),
    "peer": (ORANGE, "--", "s", "//"),
    "baseline": (GREY, ":", "x", "--"),
    "zero": (SKY, ":", "v", ".."),
    "inf": (VERMILION, (0, (4, 1, 1, 1, 1, 1)), "P", "xx"),
    "good": (GREEN, "-", "o", ""),
    "bad": (VERMILION, "--", "X", "xx"),
    "train": (BLUE, "-", "o", ""),
    "test": (ORANGE, "--", "s", "//"),
    "note": (GREY, "-", ".", ""),
}
COLOR: dict[str, str] = {meaning: look[0] for meaning, look in _LOOKS.items()}


def line(meaning: str, **extra: Any) -> dict[str, Any]:
    """Keywords for `ax.plot`: colour, line style and marker of a meaning, as in `ax.plot(x, y, **line("fp16"))`."""
    colour, style, marker, _ = _look(meaning)
    return {"color": colour, "linestyle": style, "marker": marker, **extra}


def bar(meaning: str, **extra: Any) -> dict[str, Any]:
    """Keywords for `ax.bar`, `ax.hist` and `ax.fill_between`: colour and hatch of a meaning."""
    colour, _, _, hatch = _look(meaning)
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5, **extra}


def _look(meaning: str) -> tuple[str, Any, str, str]:
    if meaning not in _LOOKS:
        raise ValueError(f"no look for {meaning!r}; choose one of {', '.join(_LOOKS)}")
    return _LOOKS[meaning]


_CSS_PIXELS_PER_INCH = 96  # a 9-inch figure is 864 px wide on the page: it fits a notebook in a 1280 px window …
_PNG_PIXELS_PER_INCH = 160  # … and holds enough pixels to stay sharp on a denser screen


def use() -> None:
    """Apply the course's style to matplotlib. `figure` and `picture` do it by themselves."""
    matplotlib.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": "#444444",
            "axes.grid": True,
            "axes.labelsize": 11,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK])
            + cycler(linestyle=["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.h_pad": 0.08,
            "figure.constrained_layout.w_pad": 0.08,
            "figure.dpi": _CSS_PIXELS_PER_INCH,
            "figure.facecolor": "white",
            "figure.titlesize": 13,
            "figure.titleweight": "bold",
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
            "font.size": 11,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.8,
            "hatch.linewidth": 0.8,
            "image.cmap": "cividis",
            "legend.fontsize": 10,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "lines.markersize": 5.5,
            "savefig.facecolor": "white",
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
        }
    )


def figure(
    title: str, rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **subplots: Any
) -> tuple[Figure, Any]:
    """A figure in the course's style, titled with its finding: `fig, ax = figure("Half of the gradients become 0")`.

    rows, columns: panels; as in `plt.subplots`, one panel gives an Axes and several give an array of them.
    size: inches; 9 wide fills the page. subplots: passed on (`sharex=True`, `width_ratios=[2, 1]`).

    The figure is not known to pyplot, so nothing shows it twice and nothing needs to close it. Raises ValueError if the
    title is empty.
    """
    if not title.strip():
        raise ValueError("a figure needs a title that says what it shows; got an empty one")
    use()
    size = size or (9.0, 0.8 + 3.2 * rows)
    fig = Figure(figsize=size, layout="constrained")
    fig.suptitle(textwrap.fill(title, int(8.6 * size[0])), x=0.01, horizontalalignment="left")
    return fig, fig.subplots(rows, columns, **subplots)


# -------------------------------------------------------------------------------------------------------------- pieces


class Piece:
    """Something for a notebook page: `html` for a browser, `plain` for a terminal, a diff or a screen without HTML."""

    def __init__(self, html: str, plain: str) -> None:
        self.html, self.plain = html, plain

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.plain}

    def __repr__(self) -> str:
        return self.plain


def picture(fig: Figure, alt: str, *, table: Iterable[Any] | None = None) -> Piece:
    """A finished figure as a PNG with its `alt` text.

    alt: a sentence or two for a reader who cannot see it: what is drawn, then what is to be seen in it.
    table: the same data as rows (see `table`), offered below the picture.
    The figure is closed. The same figure gives the same bytes. Where QUINTET_PICTURES is "off", as in grading, its alt
    text stands in its place: drawing takes longer there than all the rest. Raises ValueError without a figure or an alt
    text.
    """
    if not isinstance(fig, Figure):
        raise ValueError(f"expected a matplotlib Figure, got {type(fig).__name__}; pass or return the figure itself")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("a picture needs an alt text: say what it shows and what is to be seen in it")
    alt = " ".join(alt.split())
    if os.environ.get("QUINTET_PICTURES") == "off":
        _close(fig)
        html = f"<p>(A picture, not drawn here: {escape(alt)})</p>"
    else:
        width = round(fig.get_figwidth() * _CSS_PIXELS_PER_INCH)
        data = base64.b64encode(_png(fig)).decode()
        # The width goes where a sanitiser leaves it: an attribute for the size, a style only to shrink it on small
        # screens.
        html = (
            f'<figure style="margin:0"><img alt="{escape(alt)}" width="{width}" src="data:image/png;base64,{data}" '
            'style="max-width:100%;height:auto"></figure>'
        )
    piece = Piece(html, alt)
    if table is None:
        return piece
    rows = _table(table)
    below = reveal("The same data as a table", rows)
    return Piece(html + below.html, f"{alt}\n\n{rows.plain}")


def _png(fig: Figure) -> bytes:
    """Draw a figure and close it. No date and no version goes into the file."""
    buffer = io.BytesIO()
    try:
        fig.savefig(buffer, format="png", dpi=_PNG_PIXELS_PER_INCH, metadata={"Software": None})
    finally:
        _close(fig)
    return buffer.getvalue()


def _close(fig: Figure) -> None:
    if pyplot := sys.modules.get("matplotlib.pyplot"):  # only pyplot can have registered it
        pyplot.close(fig)


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]],
    columns: Sequence[str] | Mapping[str, str] | None = None,
    caption: str | None = None,
) -> Piece:
    """A table; every cell is escaped, numbers are right-aligned and get four significant digits.

    rows: dictionaries, or sequences (then `columns` names them).
    columns: which, in which order; as a mapping {key: heading}. By default the keys in order of first appearance.
    A missing value shows as "–". Give a string where another format is wanted.

    Raises ValueError if a row's length is not that of `columns`, or if there are no columns.
    """
    rows = list(rows)
    if columns is None:
        if not all(isinstance(row, Mapping) for row in rows):
            raise ValueError("rows that are not dictionaries need columns=[…] to name them")
        columns = list(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        raise ValueError("a table needs at least one column; give rows or columns=[…]")
    headings = columns if isinstance(columns, Mapping) else {key: key for key in columns}
    cells: list[list[Any]] = []
    for row in rows:
        if isinstance(row, Mapping):
            row = [row.get(key) for key in headings]
        elif len(row) != len(headings):
            raise ValueError(f"expected {len(headings)} values in each row ({', '.join(headings)}); got {len(row)}")
        cells.append([_scalar(value) for value in row])
    numeric = [
        any(isinstance(row[i], Real) for row in cells) and all(isinstance(row[i], Real | None) for row in cells)
        for i in range(len(headings))
    ]
    texts = [[_cell(value) for value in row] for row in cells]
    names = [str(name) for name in headings.values()]
    return Piece(_table_html(names, texts, numeric, caption), _table_plain(names, texts, numeric, caption))


_table = table  # for functions that have an argument of that name


def _scalar(value: Any) -> Any:
    """A zero-dimensional tensor or array as the number in it; a truth value as a word, because it is no quantity."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, Integral):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Real):
        text = f"{float(value):.4g}"
        return text.replace("e-0", "e-").replace("e+0", "e")
    return str(value)


def _table_html(names: list[str], texts: list[list[str]], numeric: list[bool], caption: str | None) -> str:
    # Colours come from the page, so the table follows a light or a dark theme.
    def style(i: int) -> str:
        line = "border-bottom:1px solid var(--jp-border-color2,#999)"
        side = "right" if numeric[i] else "left"
        return f'style="text-align:{side};padding:3px 12px;line-height:1.4;font-variant-numeric:tabular-nums;{line}"'

    head = "".join(f'<th scope="col" {style(i)}>{escape(name)}</th>' for i, name in enumerate(names))
    body = "".join(
        "<tr>" + "".join(f"<td {style(i)}>{escape(text)}</td>" for i, text in enumerate(row)) + "</tr>" for row in texts
    )
    title = (
        f'<caption style="text-align:left;padding:3px 12px;font-weight:bold;color:inherit">{escape(caption)}</caption>'
        if caption
        else ""
    )
    start = '<table style="border-collapse:collapse;color:inherit;margin:0 0 0.5em 0">'
    return f"{start}{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _table_plain(names: list[str], texts: list[list[str]], numeric: list[bool], caption: str | None) -> str:
    texts = [[" ".join(text.split()) for text in row] for row in texts]
    widths = [max(_width(row[i]) for row in [names, *texts]) for i in range(len(names))]

    def text_line(row: list[str]) -> str:
        padded = []
        for text, width, right in zip(row, widths, numeric, strict=True):
            space = " " * (width - _width(text))
            padded.append(space + text if right else text + space)
        return "  ".join(padded).rstrip()

    lines = [text_line(names), "  ".join("-" * width for width in widths), *map(text_line, texts)]
    return "\n".join([caption, *lines] if caption else lines)


def _width(text: str) -> int:
    """Columns that a text takes in a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# ----------------------------------------------------------------------------------------------------------- questions


@cache
def _markdown() -> Callable[[str], str]:
    import mistune  # comes with nbconvert; only pages with prose need it

    return mistune.create_markdown(escape=True, plugins=["math", "table"])


def _block(content: object) -> Piece:
    """Markdown, a piece, or anything with `_repr_html_` as a piece."""
    if isinstance(content, Piece):
        return content
    if isinstance(content, str):
        return Piece(_markdown()(content).strip(), content.strip())
    if hasattr(content, "_repr_html_"):
        return Piece(content._repr_html_(), repr(content))
    raise ValueError(f"expected Markdown text or a piece such as picture(…), got {type(content).__name__}")


def _inline(text: str) -> str:
    """Markdown without the paragraph around it, for where HTML allows only a phrase."""
    html = _block(text).html
    return html[3:-4] if html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1 else html


def _details(summary: str, body: str) -> str:
    # <details> opens by mouse, Enter and Space in every browser, with no kernel and no script.
    return (
        f'<details style="margin:4px 0"><summary style="cursor:pointer">{summary}</summary>'
        f'<div style="margin:4px 0 8px 1.2em">{body}</div></details>'
    )


def reveal(summary: str, *body: str | Piece) -> Piece:
    """A closed box for "predict, then look": `summary` is always there, `body` after a click or Enter."""
    if not summary.strip() or not body:
        raise ValueError("reveal needs a summary that is shown and a body that is hidden; one of them is empty")
    parts = [_block(part) for part in body]
    html = _details(_inline(summary), "".join(part.html for part in parts))
    return Piece(html, "\n\n".join([summary.strip(), *(part.plain for part in parts)]))


def question(
    text: str,
    options: Sequence[str],
    answer: int | str | Collection[int | str],
    why: Mapping[int | str, str] | Sequence[str],
) -> Piece:
    """A question to check yourself by: opening an option says whether it is right, and why.

    answer: the right option, by its text or its index from 0, or a collection where several are right.
    why: the feedback for each option, in the same order, or keyed by text or index.

    Raises ValueError if an option is missing its feedback, or `answer` or a key of `why` names no option.
    """
    options = list(options)
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"a question needs two or more different options; got {options}")

    def index(option: int | str) -> int:
        if isinstance(option, str) and option in options:
            return options.index(option)
        if isinstance(option, int) and 0 <= option < len(options):
            return option
        raise ValueError(f"{option!r} is no option; give its text or an index from 0 to {len(options) - 1}")

    right = {index(a) for a in ([answer] if isinstance(answer, int | str) else answer)}
    pairs = why.items() if isinstance(why, Mapping) else enumerate(why)
    feedback = {index(option): words for option, words in pairs}
    missing = [option for i, option in enumerate(options) if not feedback.get(i, "").strip()]
    if missing or not right:
        raise ValueError(f"give a right answer, and feedback for every option; missing: {missing or 'the answer'}")

    html = [f"<p><strong>Check yourself.</strong> {_inline(text)}</p>"]
    plain = [f"Check yourself. {text.strip()}"]
    for i, option in enumerate(options):
        letter, sign = chr(ord("A") + i), "✔ Right." if i in right else "✘ Not so."
        html.append(_details(f"{letter}. {_inline(option)}", f"<p><strong>{sign}</strong> {_inline(feedback[i])}</p>"))
        plain.append(f"  {letter}. {option}")
    plain.append("Answers")
    for i in range(len(options)):
        plain.append(f"  {chr(ord('A') + i)}. {'Right.' if i in right else 'Not so.'} {feedback[i]}")
    return Piece('<div role="group" aria-label="Check yourself">' + "".join(html) + "</div>", "\n".join(plain))


# ------------------------------------------------------------------------------------------------------------ explorer


class Explorer:
    """Controls, a picture that follows them, and a static twin of the default state. Made by `explorer`.

    It shows as two outputs. First the twin: HTML that needs nothing. Then the live view, a widget that holds a style
    rule which hides the twin. So where widgets run, there is the live picture alone; where they don't (a stored page,
    an export, a browser without the kernel or the network), the rule is never loaded and the twin is there. One output
    with both forms would not do: a front end that has the widget's code but not its state shows an error in its place.

    controls: the widgets by name. redraws: how often the picture was drawn again.
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        alt: str | Callable[..., str],
        controls: Mapping[str, Any],
        table: Callable[..., Iterable[Any]] | None,
    ) -> None:
        import ipywidgets

        if not controls:
            raise ValueError("an explorer needs a control, for example scale=ipywidgets.IntSlider(description='scale')")
        for name, control in controls.items():
            if not isinstance(control, ipywidgets.ValueWidget) or not getattr(control, "description", ""):
                raise ValueError(f"control {name!r} must be an ipywidget with a value and a description (its label)")
            if control.has_trait("continuous_update"):
                control.continuous_update = False  # redraw when the hand rests, not at every pixel
                control.layout.width = "min(100%, 520px)"
            control.style.description_width = "initial"  # never cut a label short
        self._draw, self._alt, self._table = draw, alt, table
        self.controls, self.redraws = dict(controls), 0

        figure, rows = self._pieces()  # an error here is the author's, and is raised
        state = [f"{c.description.strip(' :')}: {getattr(c, 'label', '') or c.value}" for c in controls.values()]
        note = f"Shown for {'; '.join(state)}. Run this cell to move the controls."
        below = [reveal("The same data as a table", rows)] if rows else []
        html = figure.html + f"<p><em>{escape(note)}</em></p>" + "".join(piece.html for piece in below)
        # Named by its content: the stored notebook stays the same from run to run.
        self._id = "quintet-twin-" + hashlib.sha256(html.encode()).hexdigest()[:12]
        plain = "\n\n".join([figure.plain, note] + ([rows.plain] if rows else []))
        self.twin = Piece(f'<div id="{self._id}">{html}</div>', plain)

        self._picture = ipywidgets.HTML(figure.html)
        parts = [ipywidgets.HTML(f"<style>#{self._id}{{display:none}}</style>", layout={"display": "none"})]
        parts += [ipywidgets.VBox(list(self.controls.values())), self._picture]
        if rows:
            self._rows = ipywidgets.HTML(rows.html, layout={"display": "none"})
            show_table = ipywidgets.Checkbox(False, description="The same data as a table", indent=False)
            show_table.observe(self._show_table, "value")
            parts += [show_table, self._rows]
        self.widget = ipywidgets.VBox(parts)
        for control in self.controls.values():
            control.observe(self._redraw, "value")

    def _pieces(self) -> tuple[Piece, Piece | None]:
        values = {name: control.value for name, control in self.controls.items()}
        alt = self._alt(**values) if callable(self._alt) else self._alt
        rows = _table(self._table(**values)) if self._table else None
        return picture(self._draw(**values), alt), rows

    def _redraw(self, change: object) -> None:
        self.redraws += 1
        try:
            figure, rows = self._pieces()
        except Exception as error:  # it would end in the kernel's log: show it where the reader looks
            self._picture.value = f'<p role="alert">{escape(f"{type(error).__name__}: {error}")}</p>'
            return
        self._picture.value = figure.html
        if rows:
            self._rows.value = rows.html

    def _show_table(self, change: Mapping[str, Any]) -> None:
        self._rows.layout.display = "" if change["new"] else "none"

    @property
    def view(self) -> dict[str, Any]:
        """The live view's bundle. Its HTML and text are empty, because the twin has been shown already."""
        return {**self.widget._repr_mimebundle_(), "text/html": "", "text/plain": ""}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.twin)
        display(self.view, raw=True)

    def __repr__(self) -> str:
        return self.twin.plain


def explorer(
    draw: Callable[..., Figure],
    alt: str | Callable[..., str],
    /,
    *,
    table: Callable[..., Iterable[Any]] | None = None,
    **controls: Any,
) -> Explorer:
    """A picture to play with: `explorer(draw, "…", scale=ipywidgets.IntSlider(3, 0, 9, description="scale"))`.

    draw: called with the controls' values by name; returns a Figure (made by `figure`), which is closed.
    alt: the alt text, or a function of the same values that returns it. Better a function: the picture changes.
    table: optional function of the same values that returns the picture's data as rows for `table`.
    controls: ipywidgets with descriptions; all of those that hold a value work by keyboard.

    The default state should show the effect: where widgets do not run, it is all there is. An error in the first
    drawing is raised; in a later one it is shown in place of the picture. Raises ValueError if a control has no label.
    """
    return Explorer(draw, alt, controls, table)
