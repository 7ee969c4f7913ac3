import functools
from collections.abc import Callable

import pytest
from xdist.scheduler import LoadScopeScheduling

from quintet_grading import audit

WAITING = ("farm", "faults", "hostile", "hosts", "postgres", "service", "setup", "slurm")


class Lanes(LoadScopeScheduling):
    """Which tests of `make test` share a process, one after the other.

    Those that mostly wait – for limits, for clocks, for what was killed – are one group, the largest, so that it is
    begun first: the other process has work for the processor meanwhile, and no two of them start a cluster at once.
    What asks a lab's audit is a group, so that it is held once. All other tests go one by one to whoever is free.
    (Marks as in `--dist loadgroup` do nothing: xdist 3.8 writes groups where pytest 9 does not read them.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        topic = module.removeprefix("tests/test_").removesuffix(".py")
        if topic in WAITING:
            return "waiting"
        if topic in ("bank", "parity") and "[" in test:
            return test.partition("[")[2]
        return nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    return Lanes(config, log)


@pytest.fixture(scope="session")
def audited() -> Callable[[str], audit.Audit]:
    """What the audit of a lab says: its bank and 16 mutants, graded once for all tests that ask."""
    return functools.cache(lambda lab: audit.audit(lab, mutate=True, sample=16, quiet=True))
