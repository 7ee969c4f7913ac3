"""What is asked of a student's work, and how the answer is judged.

A check is a function of the student's work and a random generator, registered under "topic/step":

    @check("amp/unscale", points=3)
    def unscale(student, rng):
        with case("a finite gradient", 2):
            near(student.unscale(grads, 1024.0), expected, suspects={"unscaled-in-half": what_that_mistake_answers})

Each `case` earns its points when its body ends, and loses them when it raises a `Mismatch` or the student's code
fails; the next case goes on. `near` compares and names the misconception whose answer was given. `draw` redraws random
inputs until every suspect's answer can be told from the right one. The same function serves the notebook
(notebook.py), the bank and the grader: `run` returns a `Result`; only an exception that is neither a Mismatch nor the
student's leaves it, and that is our fault.
"""

import contextlib
import contextvars
import importlib
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from quintet.checks.near import ANY, Either, Mismatch, draw, near
from quintet.student import NotWritten, Student, StudentError

__all__ = ["ANY", "Either", "Misconception", "Mismatch", "case", "check", "draw", "find", "near", "public_rng", "run"]


@dataclass(frozen=True)
class Misconception:
    """A named mistake. `title` finishes the sentence "This looks like: …"; `why` says what follows from it; `read` is
    where the lecture treats it (notebook and heading)."""

    title: str
    why: str
    read: str


@dataclass(frozen=True)
class Finding:
    """One thing found wrong: a misconception's id, or None where only expected, got and where are known."""

    misconception: str | None
    message: str


@dataclass(frozen=True)
class Case:
    name: str
    points: float
    passed: bool
    finding: Finding | None = None


@dataclass
class Result:
    """What a check found: `points` of `max`, case by case."""

    id: str
    max: float
    cases: list[Case] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return min(self.max, sum(c.points for c in self.cases if c.passed))

    @property
    def findings(self) -> list[Finding]:
        return [c.finding for c in self.cases if c.finding]


@dataclass(frozen=True)
class Check:
    id: str
    points: float
    function: Callable[[Student, np.random.Generator], None]

    def misconceptions(self) -> dict[str, Misconception]:
        """The topic's named misconceptions, by id."""
        return importlib.import_module(self.function.__module__).MISCONCEPTIONS


_registry: dict[str, Check] = {}
_running: contextvars.ContextVar[Result] = contextvars.ContextVar("result")


def check(id: str, points: float) -> Callable:
    """Register a check under "topic/step"; its cases' points must add up to `points`."""

    def register(function: Callable) -> Callable:
        _registry[id] = Check(id, points, function)
        return function

    return register


def find(id: str) -> Check:
    """The check named `id`, its topic's module imported on demand. Raises LookupError that lists what there is."""
    topic, _, step = id.partition("/")
    if topic.isidentifier() and step:
        try:
            importlib.import_module(f"quintet.checks.{topic}")
        except ModuleNotFoundError as error:
            if error.name != f"quintet.checks.{topic}":  # a library that the topic needs is missing: not a wrong id
                raise
    if id not in _registry:
        known = sorted(k for k in _registry if k.startswith(topic + "/")) or sorted(_registry)
        raise LookupError(f"there is no check {id!r}; known here: {', '.join(known) or 'none'}")
    return _registry[id]


@contextlib.contextmanager
def case(name: str, points: float) -> Iterator[None]:
    """A part of a check worth `points`. A body that raises Mismatch or StudentError loses them, and the check goes
    on."""
    finding = None
    try:
        yield
    except Exception as error:
        finding = _finding(error)
        if finding is None:
            raise
    _running.get().cases.append(Case(name, points, finding is None, finding))


PLAIN = re.compile(
    r"'(NoneType|bool|int|float|str|bytes|list|tuple|dict|slice|Tensor|numpy.ndarray|torch.dtype)' object "
    r"(is not callable|is not subscriptable|has no attribute)"
)


def _finding(error: Exception) -> Finding | None:
    """What a student's failure means; None for an exception that is not theirs.

    Theirs is also the number or None under a name that the check calls as a function: Python's error then comes from
    the check's own line.
    """
    match error:
        case Mismatch():
            return Finding(error.misconception, str(error))
        case NotWritten():
            return Finding(None, "This step is not written yet: it still raises NotImplementedError.")
        case TypeError() | AttributeError() if (found := PLAIN.match(str(error))) and _in_check(error):
            held = f"a value of type {found[1]} where a function or an object was expected"
            return Finding(None, f"There is {held}. Is one of this step's names used for something else?")
        case StudentError():
            where = f"\n{error.trace}" if error.trace else ""
            return Finding(None, f"Your code raised {error}{where}")
    return None


def _in_check(error: Exception) -> bool:
    """Whether it was raised by a line of the check's own file, and not by what that line called."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    own = _registry[_running.get().id].function.__code__.co_filename
    return last is not None and last.tb_frame.f_code.co_filename == own


def run(id: str, student: Student, rng: np.random.Generator) -> Result:
    """Run a check once. Raises only what is not the student's doing; what is theirs, outside of any case, costs the
    cases that have not run."""
    found = find(id)
    result = Result(id, found.points)
    token = _running.set(result)
    start = time.perf_counter()
    try:
        found.function(student, rng)
    except Exception as error:
        finding = _finding(error)
        if finding is None:
            raise
        rest = max(found.points - sum(c.points for c in result.cases), 0.0)
        result.cases.append(Case("the rest of the step", rest, False, finding))
    finally:
        _running.reset(token)
        result.seconds = time.perf_counter() - start
    total = sum(c.points for c in result.cases)
    if abs(total - found.points) > 1e-9:
        raise AssertionError(f"the cases of {id} add up to {total:g} points, not {found.points:g}")
    return result


def public_rng(id: str) -> np.random.Generator:
    """The generator of a self-check: the same inputs each time, so that a student can chase a failure."""
    return np.random.default_rng([zlib.crc32(id.encode()), 0])
