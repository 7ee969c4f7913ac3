"""nbgrader's `Execute`, replaced: cells run in a child, checks here, and nbgrader reads the outputs that this side
wrote."""

import atexit
import functools
import os
import secrets
import tempfile
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from quintet_grading import Refusal, run

ROOT = Path(__file__).resolve().parent.parent


class Referee(NbGraderPreprocessor):
    """Judge a sanitised submission. One nursery a lab serves all submissions of a process."""

    key_file = Unicode(
        help="file with the course's secret key; made on first use. Default: key, beside the gradebook"
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        lab = resources["nbgrader"]["assignment"]
        key = course_key(Path(self.key_file or os.environ.get("QUINTET_COURSE", ROOT / "course")) / "key")
        verdict = run.judge(nb, run.secret_seeds(key, lab), nursery(lab))
        verdict.notebook.metadata["quintet"] = {"reason": verdict.reason, "seconds": round(verdict.seconds, 3)}
        return verdict.notebook, resources


def course_key(path: Path) -> bytes:
    """The course's key, made once. Written whole or not at all, and readable by its owner only."""
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


@functools.cache
def nursery(lab: str) -> run.Nursery:
    """The lab's nursery for this process; ended with it."""
    source = run.read(solution(lab))
    made = run.Nursery(run.modules(source))
    atexit.register(made.__exit__)
    return made


def solution(lab: str) -> Path:
    """The lab's source notebook. Raises Refusal that lists the labs there are."""
    path = ROOT / "solutions" / lab / f"{lab}.ipynb"
    if not path.is_file():
        raise Refusal(f"there is no lab {lab!r}; known labs: {', '.join(labs())}")
    return path


def labs() -> list[str]:
    return sorted(p.parent.name for p in (ROOT / "solutions").glob("*/*.ipynb") if p.stem == p.parent.name)
