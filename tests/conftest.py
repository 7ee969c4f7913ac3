import functools
from collections.abc import Callable

import pytest

from quintet_grading import audit

# Tests that mostly wait – for limits, for clocks, for what was killed – share one of the two processes of `make test`,
# one after the other, so that the other one has work for the processor meanwhile and no two of them start a cluster.
WAITING = ("farm", "faults", "hostile", "hosts", "postgres", "service", "setup", "slurm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        topic = item.path.stem.removeprefix("test_")
        if topic in WAITING:
            item.add_marker(pytest.mark.xdist_group("waiting"))
        elif "audited" in item.fixturenames:  # a lab's audit is held in one process
            item.add_marker(pytest.mark.xdist_group(item.callspec.params["lab"]))


@pytest.fixture(scope="session")
def audited() -> Callable[[str], audit.Audit]:
    """What the audit of a lab says: its bank and 16 mutants, graded once for all tests that ask."""
    return functools.cache(lambda lab: audit.audit(lab, mutate=True, sample=16, quiet=True))
