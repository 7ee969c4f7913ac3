"""A student's hypertext, made fit for a page that a grader opens: known elements only, nothing that runs or loads."""

import base64
import binascii
import contextlib
import html
import re

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context

TAGS = set("""a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre
    s small span strong sub summary sup table tbody td tfoot th thead tr ul""".split())  # fmt: skip
EVERYWHERE = {"class", "id", "style", "title", "role", "aria-label", "scope", "colspan", "rowspan", "align", "alt"}
CSS = CSSSanitizer(allowed_css_properties=["text-align", "white-space", "font-weight", "color", "background-color"])
MAX_STYLE = 500  # characters; parsers of styles recurse
MAX_DEPTH = 100  # of elements in elements: parsers of hypertext recurse too
END_BY_THEMSELVES = set("br hr img input meta link wbr col p li dt dd tr td th".split())
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=]*")
ADDRESS = re.compile(r"(https?://|mailto:|#)")


def _attribute(tag: str, name: str, value: str) -> bool:
    if tag == "a" and name == "href":
        return ADDRESS.match(value) is not None
    if tag == "img" and name == "src":
        return PICTURE.fullmatch(value) is not None
    return name in EVERYWHERE and (name != "style" or len(value) <= MAX_STYLE)


def clean(text: str) -> str:
    """Hypertext without what is not allowed; as plain text where it is too tangled for its parser."""
    if _depth(text) <= MAX_DEPTH:
        with contextlib.suppress(RecursionError, ValueError, AssertionError):  # its parser gave up
            return bleach.clean(
                text, TAGS, _attribute, protocols={"http", "https", "mailto", "data"}, strip=True, css_sanitizer=CSS
            )
    return f"<pre>{html.escape(text)}</pre>"


def _depth(text: str) -> int:
    """How deep elements stand in each other at most, if every one is closed that is opened."""
    depth = most = 0
    for closing, name in TAG.findall(text):
        if name.lower() not in END_BY_THEMSELVES:
            depth = max(depth - 1, 0) if closing else depth + 1
            most = max(most, depth)
    return most


def is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


@pass_context
def markdown2html(context, source: str) -> str:
    """nbconvert's filter of that name for formgrader's and feedback pages (nbgrader_config.py), its result cleaned. A
    text that cannot be converted, since it names a picture that is not attached, say, stands as it is."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    cell = context.get("cell", {})
    renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments", {}), anchor_link_text=" ")
    try:
        return clean(MarkdownWithMath(renderer=renderer).render(source))
    except Exception:  # noqa: BLE001 the page of one student must not be missing for what they wrote
        return f"<pre>{html.escape(source)}</pre>"
