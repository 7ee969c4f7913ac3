import functools
from collections.abc import Callable

import pytest

from quintet_grading import audit


@pytest.fixture(scope="session")
def audited() -> Callable[[str], audit.Audit]:
    """What the audit of a lab says: its bank and 16 mutants, graded once for all tests that ask."""
    return functools.cache(lambda lab: audit.audit(lab, mutate=True, sample=16, quiet=True))
