"""Where things lie: the labs of this checkout, and a course's state."""

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from quintet_grading import Refusal

ROOT = Path(__file__).resolve().parent.parent


def labs() -> list[str]:
    """The labs of this checkout."""
    return sorted(p.parent.name for p in (ROOT / "solutions").glob("*/*.ipynb") if p.stem == p.parent.name)


def roots() -> list[Path]:
    """Folders that hold solutions/ and labs/: this checkout, then a course's own (QUINTET_LABS, separated as in PATH),
    for variants of a lab that students must not have seen."""
    return [ROOT, *(Path(p).resolve() for p in os.environ.get("QUINTET_LABS", "").split(os.pathsep) if p)]


def solution(lab: str) -> Path:
    """The lab's source notebook. Raises Refusal that lists the labs there are."""
    for root in roots():
        path = root / "solutions" / lab / f"{lab}.ipynb"
        if path.is_file():
            return path
    raise Refusal(f"there is no lab {lab!r}; known labs: {', '.join(labs())}")


def release(lab: str) -> Path:
    """The lab as students got it. Raises Refusal as `solution` does."""
    return solution(lab).parents[2] / "labs" / lab / f"{lab}.ipynb"


def default_folder() -> Path:
    return Path(os.environ.get("QUINTET_COURSE", ROOT / "course"))


@dataclass(frozen=True)
class Course:
    """A course's state: submitted/, autograded/, feedback/, gradebook.db, key and course.toml are in `folder` unless
    told otherwise."""

    folder: Path = ROOT / "course"
    submitted: Path | None = None
    db: str | None = None

    @property
    def submitted_folder(self) -> Path:
        return (self.submitted or self.folder / "submitted").resolve()

    @property
    def db_url(self) -> str:
        return self.db or os.environ.get("QUINTET_DB") or f"sqlite:///{self.folder.resolve()}/gradebook.db"

    def path(self, step: str, student: str, lab: str) -> Path:
        return self.folder / step / student / lab

    def attempt(self, lab: str, student: str, key: str) -> Path:
        """Where an attempt is kept, as it was handed in and as it was judged. key: the journal's."""
        return self.folder / "attempts" / lab / student / key[:16]

    def notebook(self, student: str, lab: str) -> Path:
        return self.submitted_folder / student / lab / f"{lab}.ipynb"

    def students(self, lab: str) -> list[str]:
        """Who handed in something for the lab, in order."""
        if not self.submitted_folder.is_dir():
            return []
        found = (p for p in self.submitted_folder.iterdir() if (p / lab).is_dir())
        return sorted(p.name for p in found if p.name.isprintable() and not p.name.startswith("."))

    def key(self) -> bytes:
        """The course's secret key, made once."""
        return _key(self.folder / "key")


def _key(path: Path) -> bytes:
    """Written whole or not at all, and readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
            out.write(secrets.token_bytes(32))
        try:
            os.link(out.name, path)  # fails if another process was first: then its key counts
        except FileExistsError:
            return path.read_bytes()
        finally:
            os.unlink(out.name)
    return path.read_bytes()
