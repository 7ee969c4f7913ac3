"""What the checks of several topics ask with: random inputs, and whether a function leaves its arguments alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from quintet.checks.near import Mismatch, difference
from quintet.student import Student


def normal(rng: np.random.Generator, *shape: int) -> Tensor:
    """float32, standard normal."""
    return torch.from_numpy(rng.standard_normal(shape)).float()


def unit(t: Tensor) -> Tensor:
    """Each row divided by its length."""
    return F.normalize(t, dim=-1)


def rows(rng: np.random.Generator, n: int, dim: int, spread: float = 1.0) -> Tensor:
    """n rows of lengths 10^-spread … 10^spread: none of them may matter where directions are compared."""
    return normal(rng, n, dim) * torch.from_numpy(10.0 ** rng.uniform(-spread, spread, (n, 1))).float()


def sizes(rng: np.random.Generator, n: int, least: int = 3, most: int = 9) -> list[int]:
    """Different sizes, so that no two can be taken for each other."""
    return [int(s) for s in rng.choice(range(least, most + 1), n, replace=False)]


# Asked in the place of a student's function, to see afterwards what it was given.
HELD = """
def held(function, before, arguments):
    function(*before, *arguments)
    return arguments
"""


def unchanged(student: Student, function: Any, *arguments: Any, before: Sequence = ()) -> None:
    """Mismatch if function(*before, *arguments) changes one of the arguments, which its caller uses again."""
    after = student.define(HELD).held(function, list(before), list(arguments))
    if difference(after, list(arguments), "", 1, None, True):
        raise Mismatch("the function changed its argument, which its caller uses again: compute on a new tensor")
