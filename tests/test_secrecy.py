"""What a graded check tells a student: where and what kind a mistake is, but no value of a secret input or of the right
answer, and nothing that the student wrote. Every check of every lab is asked by hostile students.
"""

import ast
import itertools
import math
import re

import nbformat
import numpy as np
import pytest
import torch

from quintet import checks
from quintet.checks import Mismatch, near, report
from quintet.checks.near import MAX_PLACES, keep_secret
from quintet.student import Student, loopback, wire
from quintet_grading import bank, run
from quintet_grading.course import labs, solution
from quintet_grading.nursery import of_lab

CANARY, NUMBER = "c4n4ry", 70707
IDS = {lab: [id for id in map(run.check_id, run.read(solution(lab)).cells) if id] for lab in labs()}
EVERY = [pytest.param(lab, id, id=id) for lab, ids in IDS.items() for id in ids]
torch.set_num_threads(1)  # small tensors; the machine may be shared


def seeded(number: int) -> np.random.Generator:
    return np.random.default_rng([number, 5])


def told(result: checks.Result) -> str:
    """All that a student is shown of a result."""
    known = checks.find(result.id).misconceptions()
    return "\n".join([report.text(result, known), report.as_html(result, known), str(run.record(result))])


def numbers(thing) -> list[float]:
    """Every number in a student's arguments or answer."""
    match thing:
        case bool() | None | str():
            return []
        case int() | float():
            return [float(thing)]
        case torch.Tensor():
            return thing.detach().double().flatten().tolist()
        case dict():
            return numbers(list(thing.values()))
        case list() | tuple():
            return [n for item in thing for n in numbers(item)]
    return []


def shown(values: list[float], text: str) -> list[float]:
    """Those that the text holds, as anybody may have printed them. Whole numbers and short ones prove nothing."""
    telling = {v for v in values if math.isfinite(v) and len(f"{abs(v):.6g}".replace(".", "").lstrip("0")) >= 5}
    return [v for v in telling if any(f"{v:{form}}" in text for form in (".4f", ".5g", ".6g", ".7g", ".17g", "x>1"))
            or v.hex() in text]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Students who try to carry out what they see


def raise_text(*args):
    raise ValueError(f"{CANARY} {args}")


def raise_class(*args):
    raise type(f"{CANARY}{numbers(args)[:3]}", (Exception,), {})(CANARY)


def raise_our_name(*args):
    raise type("TimedOut", (Exception,), {})(f"{CANARY} {args}")


def raise_from_a_named_function(*args):
    exec(f"def {CANARY}():\n    raise KeyError({CANARY!r})\n{CANARY}()", {})


HOSTILE = {
    "an exception's text": raise_text,
    "a class's name": raise_class,
    "an exception with a name of ours": raise_our_name,
    "a function's name in the traceback": raise_from_a_named_function,
    "text": lambda *args: f"{CANARY} {args}",
    "keys": lambda *args: {f"{CANARY} {n}": n for n in numbers(args)},
    "an object's class": lambda *args: type(CANARY, (), {})(),
    "objects in a tuple": lambda *args: (type(CANARY, (), {})(), type(CANARY, (), {})()),
    "a shape": lambda *args: torch.empty(0, NUMBER, 1),
    "shapes": lambda *args: ([torch.empty(0, NUMBER), torch.empty(0, NUMBER)], True),
    "a length": lambda *args: [0] * NUMBER,
    "a number": lambda *args: NUMBER + 0.25,
    "numbers": lambda *args: (NUMBER + 0.25, NUMBER, True),
    "what came in": lambda *args: args,
    "what came in first": lambda *args: args[0] if args else None,
}


class Everywhere(dict):
    """A namespace in which every name is the same function."""

    def __init__(self, function):
        self.function = function

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return self.function


def asked(id: str, behave, number: int = 0, secret: bool = True) -> tuple[checks.Result, list[float]]:
    """What a check finds of a student who behaves like this whatever is asked, and the numbers that came in."""
    seen: list[float] = []

    def function(*args, **kwargs):
        seen.extend(numbers(args) + numbers(kwargs))
        return behave(*args)

    return checks.run(id, loopback(Everywhere(function)), seeded(number), secret=secret), seen


@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.parametrize("lab, id", EVERY)
def test_nothing_of_a_students_and_no_input_is_told(lab, id, how):
    result, seen = asked(id, HOSTILE[how])
    text = told(result)
    assert seen and result.findings, "the student was asked, and failed"
    assert CANARY not in text and str(NUMBER) not in text.replace(",", "")
    assert shown(seen, text) == []
    assert len(text) < 20_000


def test_the_self_check_tells_what_is_kept_secret_here():
    """So that the test above cannot pass for want of anything to tell."""
    ids = [id for ids in IDS.values() for id in ids]

    def silent(how: str) -> set[str]:
        return {id for id in ids if CANARY not in told(asked(id, HOSTILE[how], secret=False)[0])}

    assert silent("an exception's text") == silent("a class's name") == set()
    # what train_step returns is not looked at, and pack calls all that is no plain value an object
    assert silent("an object's class") == {"allreduce/train_step", "compression/pack"}
    result, seen = asked(ids[0], HOSTILE["an exception's text"], secret=False)
    assert shown(seen, told(result))


@pytest.mark.parametrize("lab, id", EVERY)
def test_other_inputs_change_nothing_but_counts_and_places(lab, id):
    """A case's name or a `what` that held an input would differ."""
    places = re.compile(r"\d+ of \d+ entries, first at \[[\d, ]*\]|some of \d+ entries|shape \([\d, ]*\)")
    for how in ("an exception's text", "an object's class", "a shape", "numbers", "what came in", "what came in first"):
        texts = {places.sub("…", told(asked(id, HOSTILE[how], number)[0])) for number in range(3)}
        assert len(texts) == 1, how


# ---------------------------------------------------------------------------------------------------------------------
# Nearly right answers: the checks go deep, and would tell numbers


def solved(lab: str) -> dict:
    """What the solution's own cells define, imports included."""
    names: dict = {}
    for cell in run.read(solution(lab)).cells:
        if cell.cell_type == "code":
            imports = [n for n in ast.parse(cell.source).body if isinstance(n, (ast.Import, ast.ImportFrom))]
            exec(compile(ast.Module(imports, []), "imports", "exec"), names)
    for source in bank.reference(lab).values():
        exec(source, names)
    return names


def spoilt(answer):
    """A right answer with every number off, truths upside down."""
    match answer:
        case bool() | None | str():
            return answer
        case int() | float():
            return answer * 1.173 + 0.0123
        case torch.Tensor() if answer.is_floating_point():
            return answer * 1.173 + 0.0123
        case torch.Tensor():
            return ~answer if answer.dtype == torch.bool else answer + 1
        case dict():
            return {k: spoilt(v) for k, v in answer.items()}
        case list() | tuple():
            return type(answer)(spoilt(x) for x in answer)
        case torch.nn.Module():
            with torch.no_grad():
                for weight in answer.parameters():
                    weight.copy_(spoilt(weight))
        case np.ndarray():
            return spoilt(torch.from_numpy(answer.copy())).numpy()
        case _ if callable(answer):  # what it answers, such as a transform
            return lambda *args, **kwargs: spoilt(answer(*args, **kwargs))
    return answer


@pytest.fixture(scope="module")
def references() -> dict[str, dict]:
    return {lab: solved(lab) for lab in labs()}


def nearly(references: dict, lab: str, id: str, secret: bool) -> tuple[checks.Result, list[float]]:
    seen: list[float] = []
    names = dict(references[lab])

    def wrapped(function):
        def wrong(*args, **kwargs):
            right = function(*args, **kwargs)
            seen.extend(numbers(args) + numbers(kwargs) + numbers(right) + numbers(spoilt(right)))
            return spoilt(right)

        return wrong

    def spoiling(thing):
        """A function that answers nearly right, or a class whose methods do."""
        if not isinstance(thing, type):
            return wrapped(thing)
        methods = {k: wrapped(v) for k, v in vars(thing).items() if k[0] != "_" and callable(v)}
        return type(thing.__name__, (thing,), methods)

    own = {k: spoiling(names[k]) for k in bank.reference(lab) if callable(names.get(k))}
    return checks.run(id, loopback({**names, **own}), seeded(0), secret=secret), seen


@pytest.mark.parametrize("lab, id", EVERY)
def test_no_value_of_an_answer_is_told(references, lab, id):
    result, seen = nearly(references, lab, id, secret=True)
    open_result, _ = nearly(references, lab, id, secret=False)
    assert seen and result.findings
    assert shown(seen, told(result)) == []
    assert [(c.name, c.points, c.passed) for c in result.cases] == [
        (c.name, c.points, c.passed) for c in open_result.cases
    ], "secrecy changes words, never a verdict"
    assert [f.misconception for f in result.findings] == [f.misconception for f in open_result.findings]


def test_the_self_check_shows_the_values_of_an_answer(references):
    open_ = [nearly(references, lab, id, secret=False) for lab, ids in IDS.items() for id in ids]
    assert sum(bool(shown(seen, told(result))) for result, seen in open_) >= len(open_) / 2


def test_a_finding_says_what_to_do():
    for ids in IDS.values():
        for id in ids:
            (first, *_) = asked(id, HOSTILE["an exception's text"])[0].findings
            assert first.message == f'Your code raised ValueError.\nRun check("{id}") in your notebook: it shows the ' \
                "values for its public inputs."  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# How much what is chosen wrong can say


def secretly(got, want, **options) -> str:
    token = keep_secret.set(True)
    try:
        with pytest.raises(Mismatch) as raised:
            near(got, want, **options)
    finally:
        keep_secret.reset(token)
    return str(raised.value)


def test_the_entries_of_a_tensor_tell_their_number_and_the_first_of_them():
    want = torch.tensor([1.0, 2.0, 3.0, 4.0])
    choices = itertools.product(*[(w, w + 1, w - 7.125, math.nan, math.inf) for w in want.tolist()])
    said = {secretly(torch.tensor(c), want) for c in choices if c != tuple(want.tolist())}
    assert "the result differs in 2 of 4 entries, first at [1]" in said
    assert len(said) <= 2 * (4 * 5 // 2), "finite or not; k of n entries, the first at p: p + k <= n"


def test_the_entries_of_a_large_tensor_tell_nothing_of_the_kind():
    want = torch.zeros(MAX_PLACES + 1)
    answers = [torch.randn(MAX_PLACES + 1, generator=torch.Generator().manual_seed(i)) for i in range(20)]
    assert {secretly(a, want) for a in answers} == {f"the result differs in some of {MAX_PLACES + 1} entries"}


@pytest.mark.parametrize("sizes", [lambda n: torch.empty(0, n, n + 1), lambda n: [1] * n, lambda n: {n: n}])
def test_sizes_that_a_student_chooses_tell_nothing(sizes):
    for want in (torch.zeros(3), [1.0, 2.0], {"a": 1}, 1.0, None, True, "a"):
        assert len({secretly(sizes(n), want) for n in (5, 17, 255, 1001)}) == 1


def forging(*answer) -> Student:
    """A student whose process answers every question with this."""
    return Student(lambda frame, seconds: wire.pack(list(answer), lambda thing: {}))


TRACE = 'File "<ipython-input-7-0a1b>", line {}, in f\n    x\n'


@pytest.mark.parametrize(
    "kind, trace, words",
    [
        ("ValueError", "", "Your code raised ValueError."),
        ("ValueError", TRACE.format(12), "Your code raised ValueError in line 12 of its cell."),
        ("KeyError", TRACE.format(3) + TRACE.format(4), "Your code raised KeyError in line 4 of its cell."),
        ("KeyError", TRACE.format(256), "Your code raised KeyError."),
        ("KeyError", TRACE.format(10**9), "Your code raised KeyError."),
        ("KeyError", 'File "/lib/torch.py", line 77, in g\n', "Your code raised KeyError."),
        ("KeyError", TRACE.format(3) + 'File "/lib/torch.py", line 77, in g\n', "Your code raised KeyError in line 3"),
        (CANARY, TRACE.format(CANARY), "Your code raised an exception of your own."),
        ("Died", "", "Your code raised an exception of your own."),
        ("TimedOut", TRACE.format(2), "Your code raised an exception of your own in line 2 of its cell."),
        ("print", "", "Your code raised an exception of your own."),
        ("NameError", TRACE.format(1), "Your code raised NameError in line 1 of its cell."),
    ],
)
def test_an_exception_is_told_by_its_built_in_name_and_a_small_line_number(kind, trace, words):
    id = IDS[labs()[0]][0]
    result = checks.run(id, forging("error", kind, CANARY, trace), seeded(0), secret=True)
    assert all(f.message.startswith(words) for f in result.findings) and CANARY not in told(result)


@pytest.mark.parametrize("answer", [(CANARY,), ("ok",), ("ok", 1, CANARY), ("error", CANARY, CANARY), (CANARY, 1)])
def test_an_answer_that_is_none_is_told_in_our_words(answer):
    id = IDS[labs()[0]][0]
    text = told(checks.run(id, forging(*answer), seeded(0), secret=True))
    assert "its answer could not be read" in text and CANARY not in text


# ---------------------------------------------------------------------------------------------------------------------
# A whole notebook


CARRY = """
import sys
_seen = []

def _carry(function):
    def carrying(*args, **kwargs):
        _seen.append(repr(args))
        print("{canary}", args)
        print("{canary}", args, file=sys.stderr)
        raise type("{canary}", (ValueError,), {{}})("{canary} " + repr(args))
    return carrying

for _name in {names}:
    globals()[_name] = _carry(globals().get(_name))
"""


def carrying(lab: str) -> nbformat.NotebookNode:
    """The reference; before each check its functions carry out what they are asked, after it the notebook tells it."""
    notebook = bank.submission(lab, bank.cases(lab)[0])
    names = list(bank.reference(lab))
    tell = (
        f"from IPython.display import HTML, display\nprint('{CANARY}', _seen)\ndisplay(HTML('{CANARY}' + str(_seen)))"
    )
    cells = []
    for cell in notebook.cells:
        if not run.check_id(cell):
            cells.append(cell)
            continue
        sources = (CARRY.format(canary=CANARY, names=names), cell, tell, f"raise KeyError('{CANARY}', _seen)")
        cells += [s if s is cell else nbformat.v4.new_code_cell(s) for s in sources]
    notebook.cells = cells
    return notebook


def outputs(verdict: run.Verdict) -> str:
    """All that is kept of a judged notebook but its sources, which are the student's to begin with."""
    cells = [cell.outputs for cell in verdict.notebook.cells if cell.cell_type == "code"]
    return f"{cells} {[run.record(r) for r in verdict.results]} {verdict.reason}"


@pytest.mark.slow
@pytest.mark.parametrize("lab", labs())
def test_a_notebook_that_carries_its_inputs_out_is_kept_without_them(lab):
    verdict = run.judge(carrying(lab), lambda id: seeded(0), of_lab(lab), secret=True)
    assert len(verdict.results) == len(IDS[lab]) and any(r.points < r.max for r in verdict.results)
    assert CANARY not in outputs(verdict)
    told_openly = run.judge(carrying(lab), lambda id: seeded(0), of_lab(lab))
    assert CANARY in outputs(told_openly), "it would have been carried out"
    assert [r.points for r in verdict.results] == [r.points for r in told_openly.results]
