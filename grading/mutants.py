"""Mutants of a reference solution: one operator, constant, argument or line changed at a time.

A mutant that passes every check is either a hole in a check or an equivalent program;
`grading/bank/<topic>/mutants.toml` lists the equivalent ones with the reason, so that every other survivor is a
finding.
"""

import ast
import copy
import difflib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from quintet_grading.bank import BANK, reference, topic

COMPARE = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
           ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
              ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}  # fmt: skip
MODULES = ("torch", "torch.nn", "nn", "nn.utils", "nn.functional", "F", "np")  # f in module.f(…) is no method


@dataclass(frozen=True)
class Mutant:
    """`cell` with one change; `change` reads "line before → line after"."""

    cell: str
    change: str
    source: str


def mutants(lab: str) -> list[Mutant]:
    """All mutants of the lab's reference solution, in a fixed order."""
    return [m for cell, source in reference(lab).items() for m in _of(cell, source)]


def equivalent(lab: str) -> dict[tuple[str, str], str]:
    """(cell, change) -> why such a mutant is the same program."""
    path = BANK / topic(lab) / "mutants.toml"
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []) if path.exists() else []
    return {(r["cell"], r["change"]): r["why"] for r in rows}


def _of(cell: str, source: str) -> Iterator[Mutant]:
    original = ast.unparse(ast.parse(source))
    seen = {original}
    for index in range(len(_changes(ast.parse(source)))):
        tree = ast.parse(source)
        _changes(tree)[index]()
        mutated = ast.unparse(ast.fix_missing_locations(tree))
        if mutated not in seen:
            seen.add(mutated)
            yield Mutant(cell, _difference(original, mutated), mutated)


def _difference(original: str, mutated: str) -> str:
    """The lines that went and the lines that came, as "before → after"."""
    lines = list(difflib.ndiff(original.splitlines(), mutated.splitlines()))
    before, after = ("; ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return f"{before} → (moved)" if before == after else f"{before or '(nothing)'} → {after or '(nothing)'}"


Change = Callable[[], None]


def _changes(tree: ast.Module) -> list[Change]:
    """Every change that can be made in function bodies, signatures and docstrings left alone; each acts on `tree`."""
    changes: list[Change] = []
    for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
        for statement in function.body:
            if not _is_text(statement):
                for node in ast.walk(statement):
                    changes += _expressions(node)
        changes += _lines(function)
    return changes


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _expressions(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield lambda i=i, op=op: node.ops.__setitem__(i, COMPARE[type(op)]())
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            yield lambda: setattr(node, "op", ARITHMETIC[type(node.op)]())
        case ast.BoolOp():
            yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield lambda: _become(node, copy.deepcopy(node.operand))
        case ast.Constant(value=bool()):
            yield lambda: setattr(node, "value", not node.value)
        case ast.Constant(value=int() | float()):
            yield lambda: setattr(node, "value", node.value + 1)
        case ast.If() | ast.IfExp() | ast.While():
            yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
        case ast.comprehension(ifs=[_, *_]):
            yield lambda: node.ifs.clear()
        case ast.Call():
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) not in MODULES:
                yield lambda: _become(node, copy.deepcopy(node.func.value))  # x.f(…) becomes x
            for i in range(len(node.keywords)):
                yield lambda i=i: node.keywords.pop(i)
            if len(node.args) == 2:
                yield lambda: node.args.reverse()


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__ = other.__dict__


def _lines(function: ast.AST) -> Iterator[Change]:
    """Drop one statement, or swap it with the next one."""
    for node in ast.walk(function):
        for body in (getattr(node, "body", None), getattr(node, "orelse", None)):
            for i, statement in enumerate(body if isinstance(body, list) else []):
                if not _is_text(statement):
                    yield lambda body=body, i=i: body.__setitem__(i, ast.Pass())
                    if i + 1 < len(body):
                        yield lambda body=body, i=i: body.__setitem__(slice(i, i + 2), [body[i + 1], body[i]])
