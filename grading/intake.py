"""Intake: from the file that a student handed in to a clean notebook, or to the reason why there is none.

    file ──read_file──▶ bytes ──parse──▶ cells ──match──▶ pieces ──settle──▶ pieces ──build──▶ notebook

Theory of operation. One process, trusted, before any student code runs; the file is hostile until it has been taken
apart. It is opened folder by folder, never through a link, and at most so many bytes of it are read. From its JSON
only strings are taken: each cell's type, source, ids, and pictures in written answers. The notebook is then built anew
from the lab's release, which gives every id, all metadata, the kernel and the source of what is locked; outputs and
tags of the student's have no way in. Student code is moved as text and never parsed.

Whatever a student did ends in an Intake: with a notebook, or with a reason and none. What only we can put right (a
broken disk, no permission to read, a broken release) is a GradingFault: that submission is not graded yet.

What is kept, so that an honest student loses nothing:
- The student's own cells stay where they stood. So do solution cells, which bring the student's source.
- A cell is known by its `grade_id`; where a tool has lost the metadata, by its id in the release.
- Of several cells with one `grade_id` (Jupyter copies it on copy, paste and split) the first that was written in is
  the solution, and the last is the locked one, as nbgrader has it; the others stay as ordinary cells.
- What was merged into a locked cell stays, as a cell of its own before or after it.
- A locked cell that was deleted, or now stands before work or a test that comes before it in the release, comes back:
  behind its predecessor there and the student's own cells, since these may complete that predecessor.
- A deleted written answer comes back as released, which nbgrader shows as "No response" and 0. A deleted code
  solution comes back empty: the released stub would overwrite work that was merged into another cell.
"""

import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import nbformat
from nbformat import NotebookNode

from quintet_grading import GradingFault, Refusal
from quintet_grading.course import Course, release

MAX_BYTES = 20 * 2**20  # of the file
MAX_NODES = 1_000_000  # objects and lists in it: each takes 20 times the memory of its text
MAX_CELLS = 1_000
MAX_CHARS = 2_000_000  # of all sources together
MAX_PICTURE_CHARS = 8_000_000  # of all attachments together, in base64
MAX_NOTES = 40
PICTURES = ("image/png", "image/jpeg", "image/gif")  # and not SVG, which may hold scripts


class Rejected(ValueError):
    """What was handed in cannot be taken. The message finishes the sentence "Not a submission: …"."""


class Absent(Rejected):
    """There is no such file."""


@dataclass(frozen=True)
class Intake:
    """What became of a file: a notebook that may be run and graded, or a reason; `notes` are for a person to read.

    sha256: of the file as it was handed in; of the reason where the file could not be read. timestamp: when it was
    handed in, ISO 8601 in UTC; empty where that is not known.
    """

    notebook: NotebookNode | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    sha256: str = ""
    timestamp: str = ""

    @property
    def text(self) -> str:
        """The notebook as JSON, empty where there is none. Equal notebooks give equal text."""
        if self.notebook is None:
            return ""
        return json.dumps(self.notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def submission(course: Course, student: str, lab: str) -> Intake:
    """What `student` handed in for `lab`. Raises Refusal for an unknown lab, GradingFault for what is not the student's
    doing."""
    if student in ("", ".", "..") or "/" in student or "\0" in student:
        raise Refusal(f"{student!r} cannot be a student's name; expected the name of a folder in the submitted folder")
    known = released(lab)
    path, below = course.notebook(student, lab), course.submitted_folder
    try:
        raw = read_file(path, below)
    except Absent:
        found = Intake(reason=_absent(path, below, lab))
    except Rejected as error:
        found = Intake(reason=f"Not a submission of {lab}: {error}.")
    else:
        found = replace(clean(raw, known), sha256=hashlib.sha256(raw).hexdigest())
        if found.reason:
            found = replace(found, reason=f"Not a submission of {lab}: {found.reason}.")
    sha256 = found.sha256 or hashlib.sha256(found.reason.encode()).hexdigest()
    timestamp, note = _timestamp(path.with_name("timestamp.txt"), below)
    return replace(found, sha256=sha256, timestamp=timestamp, notes=found.notes + note)


def released(lab: str) -> NotebookNode:
    """The lab as students got it; not to be written to. Raises Refusal for an unknown lab, GradingFault for a broken
    one."""
    path = release(lab)
    try:
        return _read_release(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise GradingFault(f"{path} cannot be read; run `make labs` to make it anew ({error})") from error


@functools.lru_cache(maxsize=32)
def _read_release(path: Path, _changed: int) -> NotebookNode:
    return nbformat.read(path, as_version=4)  # 1,000 submissions share it; nothing below writes to it


# ---- the file


def read_file(path: Path, below: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of an ordinary file, of at most `most`, reached from the trusted folder `below` without any link.

    A hard link is refused if it leads to somebody else's file, that is if the owner of the file is not the owner of its
    folder. Other hard links pass: backups and deduplication of a folder of submissions make them, and a copy, which is
    what nbgrader collects, is never one.

    Raises Absent or another Rejected for what a student can do, GradingFault for the rest.
    """
    *folders, name = path.relative_to(below).parts
    with _folder(below, folders) as folder, _opened(name, folder, stat.S_ISREG, "an ordinary file") as fd:
        about = os.fstat(fd)
        if _foreign(about, os.fstat(folder)):
            raise Rejected(f"{_shown(name)} is a hard link to somebody else's file")
        if about.st_size > most:
            raise Rejected(_too_large(name, about.st_size, most))
        data = _read(fd, name, most + 1)
    if len(data) > most:  # it has grown since, or the file system does not know its size
        raise Rejected(_too_large(name, len(data), most))
    return data


@contextmanager
def _folder(below: Path, parts: list[str]) -> Iterator[int]:
    """A descriptor of a folder below a trusted one; none of `parts` may be a link."""
    with ExitStack() as stack:
        try:
            fd = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise GradingFault(f"{below} cannot be read: {error.strerror}") from error
        stack.callback(os.close, fd)
        for part in parts:
            fd = stack.enter_context(_opened(part, fd, stat.S_ISDIR, "an ordinary folder"))
        yield fd


@contextmanager
def _opened(name: str, folder: int, right: Callable[[int], bool], kind: str) -> Iterator[int]:
    """Looked at before it is opened, since opening a device can have effects; and after, since it may have changed."""
    wrong = Rejected(f"{_shown(name)} is not {kind} but a link, a device or the like")
    try:
        if not right(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise wrong
        # O_NONBLOCK: a FIFO put there in between must not make us wait
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise Absent(f"there is no {_shown(name)}") from None
    except OSError as error:
        if stat.S_ISLNK(_mode(name, folder)):
            raise wrong from None
        raise GradingFault(f"{name} cannot be read: {error.strerror}; give the grader the right to read it") from error
    try:
        if not right(os.fstat(fd).st_mode):
            raise wrong
        yield fd
    finally:
        os.close(fd)


def _mode(name: str, folder: int) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:  # whatever it is, it is no link that we could name
        return 0


def _foreign(file: os.stat_result, folder: os.stat_result) -> bool:
    return file.st_nlink > 1 and file.st_uid != folder.st_uid


def _read(fd: int, name: str, most: int) -> bytes:
    data = bytearray()
    try:
        while len(data) < most and (part := os.read(fd, min(most - len(data), 1 << 20))):
            data += part
    except OSError as error:
        raise GradingFault(f"{name} cannot be read: {error.strerror}") from error
    return bytes(data)


def _too_large(name: str, size: int, most: int) -> str:
    return f"{_shown(name)} has {size / 2**20:.1f} MiB, at most {most / 2**20:.0f} are taken"


def _shown(name: str, most: int = 60) -> str:
    """A name that a student chose, for a message: one line, bounded, without what a reader cannot see."""
    seen = "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name[: most + 1])
    return seen if len(seen) <= most else seen[: most - 1] + "…"


def _absent(path: Path, below: Path, lab: str) -> str:
    """Why there is no notebook under the right name. A notebook under another one is not taken for it: nbgrader's own
    commands would not, and which of two files was meant is not ours to guess."""
    try:
        with _folder(below, list(path.relative_to(below).parts[:-1])) as folder, os.scandir(folder) as entries:
            found = sorted(e.name for e in itertools.islice(entries, 1_000))
    except (Rejected, OSError):
        found = []
    notebooks = [n for n in found if n.lower().endswith(".ipynb")] or [n for n in found if n != "timestamp.txt"]
    if not notebooks:
        return f"Nothing was handed in for {lab}: expected {lab}.ipynb, found no file."
    names = ", ".join(_shown(n) for n in notebooks[:3]) + (", …" if len(notebooks) > 3 else "")
    return f"Not a submission of {lab}: found {names}, expected {lab}.ipynb; rename it and hand it in again."


MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?"
    r"(Z|[+-]\d\d:?\d\d|[A-Za-z]\w*(?:/[A-Za-z][\w+-]*)*)?",
    re.ASCII,
)


def moment(text: str) -> datetime:
    """A time as nbgrader writes it into timestamp.txt: date, time and a zone, which is UTC where there is none.

    Differs from nbgrader's `parse_utc`, which hands the text to dateutil: that takes "12" for the twelfth of the month
    in which one grades, opens files that a zone's name leads to, and reads " +0100" as 100 seconds. Raises ValueError.
    """
    found = MOMENT.fullmatch(text.strip())
    if not found:
        raise ValueError("not a date and time")
    local, zone = found[1], found[2] or "Z"
    try:
        if zone[0] in "+-" or zone == "Z":
            return datetime.fromisoformat(local + zone).astimezone(UTC)
        return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (OSError, LookupError, OverflowError) as error:  # a folder of zones, no such zone, the year 1 or 9999
        raise ValueError(str(error)) from None


def _timestamp(path: Path, below: Path) -> tuple[str, tuple[str, ...]]:
    try:
        raw = read_file(path, below, 1_000)
        return moment(raw.decode("ascii")).isoformat(), ()
    except Absent:
        return "", ()
    except ValueError:  # Rejected and UnicodeDecodeError are of its kind
        return "", ("timestamp.txt does not hold a date and time, so it is not known when this was handed in.",)


# ---- the notebook: what is in the file


@dataclass(frozen=True)
class Cell:
    """One cell as the student left it: strings, and nothing else of the file. place: 1 for the first."""

    place: int
    kind: str
    source: str
    id: str = ""
    grade_id: str = ""
    claims: tuple = ()  # what its nbgrader metadata say of grade, locked, points and solution
    tags: frozenset[str] = frozenset()
    pictures: dict = field(default_factory=dict)


def parse(raw: bytes) -> tuple[list[Cell], list[str]]:
    """The cells in a notebook file and notes on what was left out. Raises Rejected.

    NaN, which Jupyter writes into the data of a plot, is read as nothing. Of a key that stands twice the last counts,
    as in Jupyter: it is what the student saw.
    """
    if raw.count(b"[") + raw.count(b"{") > MAX_NODES:
        raise Rejected(f"it has more than {MAX_NODES:,} lists and objects")
    try:
        found = json.loads(raw.decode("utf-8-sig"), parse_constant=lambda _: None)
    except UnicodeDecodeError as error:
        raise Rejected(f"it is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise Rejected("its JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Rejected(f"it is not a readable notebook (no JSON from {where})") from None
    except ValueError:  # Python converts no more than 4,300 digits, which would take long
        raise Rejected("it has a number of too many digits") from None
    match found:
        case {"nbformat": 4, "cells": list(cells)}:
            pass
        case {"nbformat": int(version)} if version != 4 and version in range(1, 100):
            raise Rejected(f"it has notebook format {version}, expected 4; open it in JupyterLab and save it again")
        case _:
            raise Rejected("it is not a readable notebook (JSON, but without format and cells)")
    if len(cells) > MAX_CELLS:
        raise Rejected(f"it has {len(cells):,} cells, at most {MAX_CELLS:,} are taken")
    read = [_cell(place, cell) for place, cell in enumerate(cells, 1)]
    kept = [cell for cell in read if cell]
    if (chars := sum(len(cell.source) for cell in kept)) > MAX_CHARS:
        raise Rejected(f"it has {chars:,} characters of code and text, at most {MAX_CHARS:,} are taken")
    notes = [f"Cell {n} was left out: it has no type or text that a notebook's cell may have."
             for n, cell in enumerate(read, 1) if not cell]  # fmt: skip
    return _with_few_pictures(kept, notes), notes


def _cell(place: int, found: object) -> Cell | None:
    match found:
        case {"cell_type": "code" | "markdown" | "raw" as kind, "source": str(source)}:
            pass
        case {"cell_type": "code" | "markdown" | "raw" as kind, "source": list(lines)} if _all_text(lines):
            source = "".join(lines)
        case _:
            return None
    metadata = _dict(found.get("metadata"))
    own, tags = _dict(metadata.get("nbgrader")), metadata.get("tags")
    return Cell(
        place,
        kind,
        _sound(source),
        _str(found.get("id")),
        _str(own.get("grade_id")),
        _claims(own),
        frozenset(tags) if isinstance(tags, list) and _all_text(tags) else frozenset(),
        _pictures(_dict(found.get("attachments"))) if kind != "code" else {},
    )


def _all_text(values: list) -> bool:
    return all(isinstance(v, str) for v in values)


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _claims(metadata: dict) -> tuple:
    return tuple(metadata.get(key) for key in ("grade", "locked", "points", "solution"))


def _sound(text: str) -> str:
    """Without what cannot be written as UTF-8 or kept in a database: half surrogate pairs and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _pictures(found: dict) -> dict:
    """The attachments that are pictures: pasted into a written answer, they are part of it."""
    kept = {}
    for name, bundle in itertools.islice(found.items(), 20):
        for kind in PICTURES:
            data = _str(_dict(bundle).get(kind))
            if data and re.fullmatch(r"[A-Za-z0-9+/=\s]+", data):
                kept[_sound(name[:200])] = {kind: data}
    return kept


def _with_few_pictures(cells: list[Cell], notes: list[str]) -> list[Cell]:
    left, kept = MAX_PICTURE_CHARS, []
    for cell in cells:
        left -= sum(len(data) for bundle in cell.pictures.values() for data in bundle.values())
        if cell.pictures and left < 0:
            notes.append(f"Cell {cell.place} lost its pictures: together they are larger than what is taken.")
            cell = replace(cell, pictures={})
        kept.append(cell)
    return kept


# ---- the notebook: what it has of the release

LOCKED, SOLUTION, PARAMETERS, TEXT = "locked", "solution", "parameters", "text"


@dataclass(frozen=True)
class Slot:
    """One cell of the release. setup: a locked cell or the parameters, before any solution, which solutions need."""

    place: int
    name: str  # grade_id, or the cell's id
    role: str
    graded: bool  # by nbgrader: it has a grade_id that makes a notebook a submission
    setup: bool
    cell: NotebookNode

    @property
    def source(self) -> str:
        return self.cell.source

    @property
    def test(self) -> bool:
        return self.role == LOCKED and self.cell.metadata.nbgrader.grade


@dataclass(frozen=True)
class Piece:
    """One cell of the result: a slot, the student's cell, or both. `text` replaces the source of a student's cell."""

    slot: Slot | None
    cell: Cell | None
    text: str | None = None


def clean(raw: bytes, release: NotebookNode) -> Intake:
    """A notebook built anew from the release of the lab and a submitted file, or the reason why it is none."""
    slots = _slots(release)
    try:
        cells, notes = parse(raw)
        pieces = _match(cells, slots, notes)
    except Rejected as error:
        return Intake(reason=str(error))
    _settle(pieces, slots, notes)
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"… and {len(notes) - MAX_NOTES} more of this kind."]
    return Intake(_build(pieces, release), notes=tuple(notes))


def _slots(release: NotebookNode) -> list[Slot]:
    slots = []
    for place, cell in enumerate(release.cells):
        own = cell.metadata.get("nbgrader", {})
        role = PARAMETERS if "parameters" in cell.metadata.get("tags", []) else TEXT
        if own.get("solution"):
            role = SOLUTION
        elif own.get("grade") or own.get("locked") or own.get("task"):
            role = LOCKED
        graded = bool(own.get("grade") or own.get("solution"))
        setup = role in (LOCKED, PARAMETERS) and not any(s.role == SOLUTION for s in slots)
        slots.append(Slot(place, own.get("grade_id") or cell.id, role, graded, setup, cell))
    return slots


def _match(cells: list[Cell], slots: list[Slot], notes: list[str]) -> list[Piece]:
    """Which cell is which, in the student's order. Raises Rejected when it is not this lab at all."""
    claims: dict[int, list[Cell]] = {}
    for cell in cells:
        if slot := _claimed(cell, slots):
            claims.setdefault(slot.place, []).append(cell)
        elif cell.grade_id:
            notes.append(f"Cell {cell.place} says that it is {_shown(cell.grade_id)!r}, which this lab does not have.")
    _require_lab(claims, slots)
    chosen = {_choose(slots[place], claimants).place: slots[place] for place, claimants in claims.items()}
    for place, claimants in claims.items():
        if slots[place].role in (LOCKED, SOLUTION) and len(claimants) > 1:
            notes.append(f"{slots[place].name} is there {len(claimants)} times; one counts, the others are shown.")
    pieces = []
    for cell in cells:
        slot = chosen.get(cell.place)
        pieces += _split(slot, cell) if slot else [Piece(None, cell)]
        notes += _changes(slot, cell)
    return pieces


def _claimed(cell: Cell, slots: list[Slot]) -> Slot | None:
    """The slot that a cell says it fills. An id counts only where no grade_id contradicts: labs share ids."""
    for slot in slots:
        nbgrader = slot.role in (LOCKED, SOLUTION)
        if cell.grade_id:
            if nbgrader and cell.grade_id == slot.name:
                return slot
        elif cell.id and cell.id == slot.cell.id:
            return slot
        elif slot.role == PARAMETERS and "parameters" in cell.tags and cell.kind == "code":
            return slot
    if not cell.grade_id:  # an editor that knows no ids, as format 4.4 has none
        return next((s for s in slots if s.role in (TEXT, PARAMETERS) and s.source == cell.source != ""), None)
    return None


def _require_lab(claims: dict[int, list[Cell]], slots: list[Slot]) -> None:
    """One graded cell with its grade_id will do. Where all metadata are lost, half of them by id: labs share ids."""
    graded = [slot for slot in slots if slot.graded]
    there = [slot for slot in graded if slot.place in claims]
    if not any(cell.grade_id for slot in there for cell in claims[slot.place]) and 2 * len(there) <= len(graded):
        raise Rejected("it has none of the lab's graded cells")


def _choose(slot: Slot, claimants: list[Cell]) -> Cell:
    claimants = [c for c in claimants if c.grade_id] or claimants
    if slot.role == LOCKED:
        return claimants[-1]
    return next((c for c in claimants if c.source.strip() not in ("", slot.source.strip())), claimants[0])


def _split(slot: Slot, cell: Cell) -> list[Piece]:
    """The slot's piece; around it, what the student merged into a locked cell."""
    before, whole, after = f"\n{cell.source}\n".partition(f"\n{slot.source}\n")
    if slot.role != LOCKED or not whole:
        return [Piece(slot, cell)]
    pieces = [Piece(None, cell, before.strip("\n")), Piece(slot, cell), Piece(None, cell, after.strip("\n"))]
    return [piece for piece in pieces if piece.slot or piece.text.strip()]


def _changes(slot: Slot | None, cell: Cell) -> list[str]:
    """What a person should know about a cell that is not as it was released."""
    notes = []
    if "skip-execution" in cell.tags:
        notes.append(f"Cell {cell.place} had the tag skip-execution, which does not count.")
    if slot and slot.role in (LOCKED, SOLUTION):
        if slot.role == LOCKED and cell.source.strip() != slot.source.strip():
            notes.append(f"{slot.name} is locked and was changed; it counts as it was released.")
        if cell.kind != slot.cell.cell_type:
            notes.append(f"{slot.name} was made a {cell.kind} cell; it is a {slot.cell.cell_type} cell again.")
        if cell.grade_id and cell.claims != _claims(slot.cell.metadata.nbgrader):
            notes.append(f"{slot.name} had other points or another role in its metadata; the release's count.")
    return notes


def _settle(pieces: list[Piece], slots: list[Slot], notes: list[str]) -> None:
    """Put back, in the release's order, what was deleted and what stands where it cannot work."""
    for slot in slots:
        if slot.role == TEXT:
            continue
        at = next((i for i, piece in enumerate(pieces) if piece.slot is slot), None)
        if at is None:
            pieces.insert(_home(pieces, slot), Piece(slot, None))
            notes.append(f"{slot.name} was missing and is there again{_as_what(slot)}.")
        elif slot.role != SOLUTION and _misplaced(pieces, slot, at):
            piece = pieces.pop(at)
            pieces.insert(_home(pieces, slot), piece)
            notes.append(f"{slot.name} stood where it cannot work and was moved back.")


def _as_what(slot: Slot) -> str:
    return ", empty" if slot.role == SOLUTION and slot.cell.cell_type == "code" else ", as released"


def _needs(pieces: list[Piece], slot: Slot) -> list[int]:
    """Where the solutions and set-up cells are that come before the slot in the release; for a test also the tests: a
    later one gives right versions of earlier steps, which no test that follows may find."""
    return [
        i for i, p in enumerate(pieces)
        if p.slot and p.slot.place < slot.place
        and (p.slot.setup or p.slot.role == SOLUTION or (p.slot.test and slot.test))
    ]  # fmt: skip


def _first_solution(pieces: list[Piece]) -> int:
    return next((i for i, p in enumerate(pieces) if p.slot and p.slot.role == SOLUTION), len(pieces))


def _misplaced(pieces: list[Piece], slot: Slot, at: int) -> bool:
    return at < max(_needs(pieces, slot), default=-1) or (slot.setup and at > _first_solution(pieces))


def _home(pieces: list[Piece], slot: Slot) -> int:
    """Where a slot goes: behind its predecessor. A set-up cell at once, any other behind the student's own cells there,
    which may complete the predecessor."""
    before = [(p.slot.place, i) for i, p in enumerate(pieces) if p.slot and p.slot.place < slot.place]
    at = max([max(before, default=(0, -1))[1], *_needs(pieces, slot)]) + 1
    if slot.setup:
        return min(at, _first_solution(pieces))
    while at < len(pieces) and (pieces[at].slot is None or pieces[at].slot.place < slot.place):
        at += 1
    return at


def _build(pieces: list[Piece], release: NotebookNode) -> NotebookNode:
    taken = {cell.id for cell in release.cells}
    fresh = (id for n in itertools.count(1) if (id := f"own-{n}") not in taken)
    cells = [_built(piece, fresh) for piece in pieces]
    metadata = json.loads(json.dumps(release.metadata))
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def _built(piece: Piece, fresh: Iterator[str]) -> dict:
    slot, cell = piece.slot, piece.cell
    if slot is None:
        kind, source = cell.kind, cell.source if piece.text is None else piece.text
    else:
        kind = cell.kind if slot.role == TEXT and cell else slot.cell.cell_type
        source = slot.source if slot.role == LOCKED or cell is None else cell.source
        if cell is None and slot.role == SOLUTION and kind == "code":
            source = ""
    built = {
        "cell_type": kind,
        "id": slot.cell.id if slot else next(fresh),
        "metadata": json.loads(json.dumps(slot.cell.metadata)) if slot else {},
        "source": source,
    }
    pictures = slot.cell.get("attachments") if slot and (slot.role == LOCKED or cell is None) else cell.pictures
    if kind == "code":
        built |= {"outputs": [], "execution_count": None}
    elif pictures:
        built["attachments"] = pictures
    return built


# ---- archives

MAX_MEMBERS = 1_000
MAX_UNPACKED = 100 * 2**20
MAX_RATIO = 100  # of the whole archive, once it gives more than a mebibyte


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip file into a new `folder`; returns the files written. All names are looked at before anything is
    written, and what was written is removed if the contents turn out bad.

    Raises Rejected for a file that is no zip, names that leave the folder, links, passwords and bombs, and Refusal when
    the folder exists.
    """
    if folder.exists() or folder.is_symlink():
        raise Refusal(f"{folder} exists; choose another folder or remove it first")
    raw = read_file(archive, archive.parent, MAX_UNPACKED)
    if raw.count(b"PK\x01\x02") > MAX_MEMBERS:  # each member's entry begins so: counted before zipfile reads them all
        raise Rejected(f"it has more than {MAX_MEMBERS:,} members")
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(BytesIO(raw)) as file:
            return _unpack(file, folder, min(MAX_UNPACKED, max(MAX_RATIO * len(raw), 2**20)))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # made above, so all that is in it is ours
        if isinstance(error, BROKEN) and not isinstance(error, Rejected):
            raise Rejected("it is not a readable zip file") from None
        raise


# What zipfile raises for a bad archive. Of OSError's kinds only those that two clashing names lead to.
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, LookupError,
    OverflowError, FileExistsError, IsADirectoryError, NotADirectoryError,
)  # fmt: skip


def _unpack(file: zipfile.ZipFile, folder: Path, left: int) -> list[Path]:
    """Bytes are counted as they come: what an archive says about their number is a claim."""
    written = []
    for name, member in _members(file).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, open(path, "xb") as out:
            while part := source.read(1 << 16):
                left -= len(part)
                if left < 0:
                    raise Rejected(f"it unpacks to more than {MAX_UNPACKED // 2**20} MiB or {MAX_RATIO} times its size")
                out.write(part)
        written.append(path)
    return written


def _members(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files in an archive by their names, without folders, which come with their files. Raises Rejected."""
    members = {}
    for member in file.infolist():
        name = member.orig_filename  # `filename` ends at a NUL
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or re.search(r"\\|^[A-Za-z]:|[\0-\x1f\x7f]", name):
            raise Rejected(f"it has a member that leaves the folder or has no plain name: {_shown(name)}")
        if len(parts) > 10 or any(len(part.encode("utf-8", "replace")) > 200 for part in parts):
            raise Rejected(f"it has a member with too long a name: {_shown(name)}")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Rejected(f"it has a link or a device: {_shown(name)}")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Rejected(f"it has a member with a password or an unusual compression: {_shown(name)}")
        if member.is_dir() or parts[0] == "__MACOSX":
            continue
        if (plain := str(PurePosixPath(*parts))) in members:
            raise Rejected(f"it has two members with one name: {_shown(name)}")
        members[plain] = member
    return members
