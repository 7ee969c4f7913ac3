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

When graded, the inputs are secret, a student's code sees them, and what is found goes back to the student: `run(…,
secret=True)` tells where and what kind a mistake is, but no value of a question or an answer, and no text of the
student's. What a submission can still carry out is what it chooses to get wrong. A case ends with its first wrong
answer, so it says at most one of: which of Q questions, which of L parts of the answer, which of M misconceptions or
none, and one of fewer than 2¹⁷ kinds (in a tensor of at most 256 entries the number of wrong ones and the first,
finite or not, under 66,000; a type, a dtype; an exception's built-in name and a line up to 255, under 19,000). That is
less than 17 + log₂ Q·L·(M+1) bits a case, 26 for lab 2.1: less than 390 bits, a dozen fp32 numbers, from all 15 cases
of one graded attempt, at the price of the points of every case that speaks. A check's author must keep inputs out of a
case's name and `what`, and put values into a Mismatch of their own through `show_value`; tests/test_secrecy.py asks
every check with other inputs and hostile answers.
"""

import builtins
import contextlib
import contextvars
import importlib
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from quintet.checks.near import ANY, Either, Mismatch, draw, keep_secret, near, show_value
from quintet.student import Died, NotWritten, Student, StudentError, TimedOut, Unfit

__all__ = [
    "ANY", "Either", "Misconception", "Mismatch", "case", "check", "draw", "find", "near", "public_rng", "run",
    "show_value",
]  # fmt: skip


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
            return Finding(error.misconception, str(error) + _hint())
        case NotWritten():
            return Finding(None, "This step is not written yet: it still raises NotImplementedError.")
        case TypeError() | AttributeError() if (found := PLAIN.match(str(error))) and _in_check(error):
            held = f"a value of type {found[1]} where a function or an object was expected"
            return Finding(None, f"There is {held}. Is one of this step's names used for something else?")
        case StudentError():
            where = f"\n{error.trace}" if error.trace else ""
            said = _secretly(error) + _hint() if keep_secret.get() else f"Your code raised {error}{where}"
            return Finding(None, said)
    return None


BUILTIN = {k for k, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
MAX_LINE = 255  # of a student's cell: what is told of a line is one of so many numbers
IN_CELL = re.compile(r'File "<ipython-input-\d{1,5}-\w{1,64}>", line (\d{1,3}),')


def _secretly(error: StudentError) -> str:
    """A student's exception without a word of theirs. Classes are ours, `kind` and `trace` are the child's claims."""
    match error:
        case TimedOut():
            return "Your code ran over its time."
        case Died():
            return "Your code's process ended, or its answer could not be read."
        case Unfit(kind="Unfit"):
            return "Your code gave an object where plain data (a number, a list, a tensor) was expected."
    name = error.kind if error.kind in BUILTIN else "an exception of your own"
    line = int(IN_CELL.findall(error.trace)[-1]) if IN_CELL.search(error.trace) else MAX_LINE + 1
    return f"Your code raised {name}" + (f" in line {line} of its cell." if line <= MAX_LINE else ".")


def _hint() -> str:
    """What to do about a finding that leaves out the values."""
    if not keep_secret.get():
        return ""
    return f'\nRun check("{_running.get().id}") in your notebook: it shows the values for its public inputs.'


def _in_check(error: Exception) -> bool:
    """Whether it was raised by a line of the check's own file, and not by what that line called."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    own = _registry[_running.get().id].function.__code__.co_filename
    return last is not None and last.tb_frame.f_code.co_filename == own


def run(id: str, student: Student, rng: np.random.Generator, secret: bool = False) -> Result:
    """Run a check once; `secret`: what is found tells no values. Raises only what is not the student's doing; what is
    theirs, outside of any case, costs the cases that have not run."""
    found = find(id)
    result = Result(id, found.points)
    tokens = _running.set(result), keep_secret.set(secret)
    start = time.perf_counter()
    try:
        with student.settled():
            found.function(student, rng)
    except Exception as error:
        finding = _finding(error)
        if finding is None:
            raise
        rest = max(found.points - sum(c.points for c in result.cases), 0.0)
        result.cases.append(Case("the rest of the step", rest, False, finding))
    finally:
        _running.reset(tokens[0])
        keep_secret.reset(tokens[1])
        result.seconds = time.perf_counter() - start
    total = sum(c.points for c in result.cases)
    if abs(total - found.points) > 1e-9:
        raise AssertionError(f"the cases of {id} add up to {total:g} points, not {found.points:g}")
    return result


def public_rng(id: str) -> np.random.Generator:
    """The generator of a self-check: the same inputs each time, so that a student can chase a failure."""
    return np.random.default_rng([zlib.crc32(id.encode()), 0])
