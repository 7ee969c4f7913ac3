"""A real Slurm, started here on loopback: its jobs are Dask workers, and a class is graded on them.

A job has a login shell's environment and nothing of the submitter's (`--export=NIL`), as on a cluster's nodes.
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cluster
import psutil
import pytest

from quintet_grading.course import Course

MISSING = cluster.missing("munged", "slurmctld", "slurmd", "sbatch", "openssl")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

# What an operator runs on a login node; grading/farm.md has the same.
OPERATOR = """
import os, signal, sys
from distributed import Security
from dask_jobqueue import SLURMCluster

folder, *prologue = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the jobs are cancelled below
with SLURMCluster(
    cores=1, processes=1, memory="2GiB", walltime="01:00:00",
    interface="lo", protocol="tls", security=Security(),  # certificates: from Dask's configuration
    python=sys.executable, job_script_prologue=prologue, job_extra_directives=["--nodes=1", "--export=NIL"],
    log_directory=folder, local_directory=folder, shared_temp_directory=folder, death_timeout=30,
    scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    worker_extra_args=["--no-dashboard", "--dashboard-address 127.0.0.1:0"],
) as cluster:
    cluster.adapt(minimum_jobs=2, maximum_jobs=2)  # a job that ends is replaced, which `scale` does not do
    print(cluster.scheduler_address, flush=True)
    signal.pause()
"""


@dataclass(frozen=True)
class Farm:
    slurm: cluster.Slurm
    address: str
    env: dict[str, str]
    watch: cluster.Watch

    def start(self, course: Course, log: Path):
        command = cluster.grade(course, "--scheduler", self.address)
        return cluster.process(command, log, {**self.env, **cluster.environment(course)}, cwd=cluster.ROOT)


@pytest.fixture(scope="module")
def slurm() -> Iterator[cluster.Slurm]:
    with cluster.slurm() as started:
        yield started


@pytest.fixture
def farm(slurm, tmp_path) -> Iterator[Farm]:
    """Two Slurm jobs with a worker each."""
    folder = tmp_path / "dask"
    folder.mkdir()
    env = {**cluster.CLEAN, **cluster.certificates(folder), **cluster.SETTINGS, **slurm.env}
    passed = {k: v for k, v in cluster.environment(Course(folder)).items() if k in ("QUINTET_CACHE", "OMP_NUM_THREADS")}
    prologue = [f"export {name}='{value}'" for name, value in passed.items()]
    log = folder / "operator.log"
    with contextlib.ExitStack() as stack:
        stack.enter_context(cluster.process([sys.executable, "-c", OPERATOR, str(folder), *prologue], log, env))
        address = cluster.until(lambda: _address(log), 60, "the operator's script gave no address", log)
        watch = stack.enter_context(cluster.watched(address, folder, env))
        cluster.until(lambda: len(watch.now()) == 2, 60, "Slurm's jobs did not become workers", log)
        yield Farm(slurm, address, env, watch)
    cluster.until(lambda: not slurm.jobs(), 30, "jobs were left behind")


def _address(log: Path) -> str:
    return next((line for line in log.read_text().splitlines() if line.startswith("tls://")), "")


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, tuple]:
    """The grades of the class on one machine, without Slurm."""
    return cluster.graded_alone(tmp_path_factory.mktemp("alone"))


def test_slurm_runs_a_job_with_nothing_of_the_submitters_environment(slurm, tmp_path):
    out = tmp_path / "out"
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\nenv > {out}.part; mv {out}.part {out}\n")
    slurm.run("env", "QUINTET_SECRET=1", "sbatch", "--export=NIL", "--output=/dev/null", str(script))
    cluster.until(out.exists, 20, "the job did not run", slurm.folder / "slurmd.log")
    seen = dict(line.split("=", 1) for line in out.read_text().splitlines() if "=" in line)
    assert "SLURM_JOB_ID" in seen and "QUINTET_SECRET" not in seen


@pytest.mark.slow
def test_slurm_jobs_grade_a_class_as_one_machine_does(farm, alone, tmp_path):
    course = cluster.new_class(tmp_path / "course")
    log = tmp_path / "grade.log"
    with farm.start(course, log) as grading:
        cluster.finish(grading, log)
    assert cluster.grades(course) == alone
    assert len(farm.watch.had_work()) == 2, "a job stood idle, so nothing was shown"


@pytest.mark.slow
@pytest.mark.parametrize("signal", [None, "KILL"], ids=["cancelled", "killed"])
def test_a_job_that_is_cancelled_in_the_middle_costs_no_grade_and_leaves_no_process(farm, alone, tmp_path, signal):
    course = cluster.new_class(tmp_path / "course")
    log = tmp_path / "grade.log"
    with farm.start(course, log) as grading:
        cluster.until(lambda: sum(map(bool, farm.watch.now().values())) == 2, 120, "not both jobs got work", log)
        job, other = farm.slurm.jobs("running")
        processes = [p for p in psutil.process_iter() if _of_job(p, job)]
        assert len(processes) > 1, "the worker and what it started are to be seen"
        farm.slurm.cancel(job, signal=signal)
        assert grading.poll() is None, "the class was graded before the job was cancelled"
        cluster.finish(grading, log)
    assert cluster.grades(course) == alone
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive, f"left behind by the job: {alive}"
    cluster.until(lambda: len(farm.slurm.jobs("running")) == 2, 60, "the job was not replaced")
    assert other in farm.slurm.jobs("running")


def _of_job(process: psutil.Process, job: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return any("slurmstepd" in p.name() and f"[{job}." in " ".join(p.cmdline()) for p in process.parents())
    return False
