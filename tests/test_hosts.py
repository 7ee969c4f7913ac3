"""Two hosts: a scheduler and two workers in networks of their own, TLS between them; a cable is pulled in the middle.

The class is the bank's: what a single machine makes of it is what the hosts must make of it.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cluster
import nbformat
import psutil
import pytest

from quintet_grading.course import Course

pytestmark = pytest.mark.skipif(bool(cluster.missing_hosts()), reason=cluster.missing_hosts())

ASK = """
import socket, sys
from distributed import Client
print(Client(sys.argv[1], timeout=4).submit(socket.gethostname, workers="red").result(20))
"""


@pytest.fixture
def network() -> Iterator[cluster.Network]:
    with cluster.hosts("desk", "red", "blue") as made:
        yield made


@dataclass(frozen=True)
class Desk:
    """Where the teacher types: beside the scheduler, in its network."""

    network: cluster.Network
    address: str
    env: dict[str, str]
    watch: cluster.Watch

    def start(self, course: Course, log: Path):
        """Start grading the class over both workers."""
        command = cluster.grade(course, "--scheduler", self.address)
        env = {**self.env, **cluster.environment(course)}
        return cluster.process(self.network["desk"].inside(*command), log, env, cwd=cluster.ROOT)

    def ask(self, address: str, env: dict[str, str]) -> subprocess.CompletedProcess:
        """Have the red host say its name."""
        return self.network["desk"].run(sys.executable, "-c", ASK, address, env={**cluster.CLEAN, **env})


@pytest.fixture
def desk(network, tmp_path) -> Iterator[Desk]:
    folder = tmp_path / "dask"
    folder.mkdir()
    env = {**cluster.certificates(folder), **cluster.SETTINGS}
    on_workers = {**cluster.environment(Course(folder / "nothing")), **env}
    with (
        cluster.dask_scheduler(network["desk"], folder, env) as address,
        cluster.dask_worker(network["red"], address, folder, on_workers),
        cluster.dask_worker(network["blue"], address, folder, on_workers),
        cluster.watched(address, folder, env, network["desk"]) as watch,
    ):
        yield Desk(network, address, env, watch)


# ---- the network itself


def test_hosts_reach_each_other_and_nobody_else(network):
    before = set(psutil.net_if_addrs())
    for name in ("red", "blue"):
        host = network[name]
        assert host.run("hostname").stdout.strip() == name
        assert host.reaches(network["desk"])
        assert "unreachable" in host.run("ip", "route", "get", "192.0.2.1").stderr
    assert set(psutil.net_if_addrs()) == before, "the machine's own network was touched"
    assert not any(a.address.startswith(cluster.SUBNET) for each in psutil.net_if_addrs().values() for a in each)


def test_a_cut_cable_is_cut_for_one_host_only_until_it_is_healed(network):
    desk, red, blue = (network[n] for n in ("desk", "red", "blue"))
    network.cut("red")
    assert not desk.reaches(red)
    assert desk.reaches(blue)
    network.heal("red")
    cluster.until(lambda: desk.reaches(red), 20, "the cable did not heal")


def test_hosts_leave_nothing_behind():
    with cluster.hosts("left") as made:
        pids = [made.switch.pid, made["left"].pid]
        assert all(psutil.pid_exists(p) for p in pids)
    assert not any(psutil.pid_exists(p) for p in pids)


# ---- who may join


def test_only_the_courses_certificate_opens_the_scheduler(desk, tmp_path):
    """Who may submit a task runs code on the workers, so another authority's certificate and plain TCP are refused."""
    (tmp_path / "foreign").mkdir()
    foreign = cluster.certificates(tmp_path / "foreign")
    authority = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"
    trusting = {**foreign, authority: desk.env[authority]}  # takes the scheduler's certificate, has none of its own

    assert desk.ask(desk.address, desk.env).stdout.strip() == "red"
    for address, env in ((desk.address, foreign), (desk.address, trusting), (desk.address.replace("tls", "tcp"), {})):
        refused = desk.ask(address, env)
        assert refused.returncode != 0 and not refused.stdout
        assert "CommClosedError" in refused.stderr or "Timed out" in refused.stderr, refused.stderr[-1000:]


# ---- a class


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, tuple]:
    """The grades of the class on one machine."""
    return cluster.graded_alone(tmp_path_factory.mktemp("alone"))


def outputs(path: Path) -> str:
    """What the notebook's cells printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)


@pytest.mark.slow
def test_two_hosts_grade_a_class_as_one_machine_does(desk, alone, tmp_path):
    course = cluster.new_class(tmp_path / "course")
    log = tmp_path / "grade.log"
    with desk.start(course, log) as grading:
        cluster.finish(grading, log)
    assert cluster.grades(course) == alone
    assert desk.watch.had_work() == {"red", "blue"}, "a host stood idle, so nothing was shown"
    seen = course.path("autograded", "intruder", cluster.LAB) / f"{cluster.LAB}.ipynb"
    assert "it was not reached" in outputs(seen), "a submission's own network has no way to the scheduler"
    assert "it was reached" in desk.network["red"].run(sys.executable, "-c", cluster.INTRUDER).stdout, "its host's has"


@pytest.mark.slow
def test_a_host_that_is_cut_off_in_the_middle_costs_no_grade_and_comes_back(desk, alone, tmp_path):
    course = cluster.new_class(tmp_path / "course")
    log = tmp_path / "grade.log"
    with desk.start(course, log) as grading:
        cluster.until(lambda: desk.watch.now().get("red"), 120, "the red host got no work", log)
        desk.network.cut("red")
        assert grading.poll() is None, "the class was graded before the cable was cut"
        cluster.finish(grading, log)
    assert cluster.grades(course) == alone
    desk.network.heal("red")
    cluster.until(lambda: "red" in desk.watch.now(), 60, "the red host did not come back")
    assert desk.ask(desk.address, desk.env).stdout.strip() == "red"
