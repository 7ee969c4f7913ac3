"""Many jobs over Dask: what is judged, what is lost and found again, and who is refused."""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from cluster import Dask, farm_environment
from dask import config as dask_config
from played import calls, job, needs_gpu, play
from rich.console import Console

from quintet_grading import GradingFault, Refusal, farm
from quintet_grading.course import ROOT
from quintet_grading.job import GRADED, LIMITED, UNGRADED, Job, Limits, Outcome


def said(outcome: Outcome) -> tuple[str, int, float, float]:
    return tuple(json.loads(outcome.reason))


def most_at_once(outcomes: list[Outcome]) -> int:
    spans = [said(o)[2:] for o in outcomes]
    return max(sum(start <= at < end for start, end in spans) for at, _ in spans)


# ---- embedded


def test_each_job_gets_its_own_outcome_whatever_the_order():
    jobs = [job(f"s{i}", random.Random(i).random() / 50) for i in range(40)]
    results = list(farm.run(jobs, play, workers=4))
    assert sorted(j.student for j, _ in results) == sorted(j.student for j in jobs)
    assert all(said(o)[0] == j.student for j, o in results)
    assert [j for j, _ in results] != jobs, "the order was never put to the test"
    assert most_at_once([o for _, o in results]) == 4


def test_a_job_given_twice_is_judged_and_handed_over_once():
    calls.clear()
    results = list(farm.run([job("anna"), job("ben"), job("anna")], play))
    assert sorted(j.student for j, _ in results) == ["anna", "ben"]
    assert calls == {"anna": 1, "ben": 1}


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("fault", "the zygote did not start"),
        ("bug", "KeyError: 'x'"),
        ("exit", "SystemExit: 3"),
        ("lie", "no sensible points"),
        ("none", "NoneType"),
    ],
)
def test_what_is_our_fault_is_tried_three_times_then_ungraded_and_the_others_are_graded(do, why):
    calls.clear()
    results = {j.student: o for j, o in farm.run([job("bad", do=do), job("a"), job("b")], play)}
    assert (results["bad"].state, calls["bad"]) == (UNGRADED, farm.STRIKES)
    assert why in results["bad"].reason and "\n" not in results["bad"].reason
    assert (results["bad"].notebook, results["bad"].checks) == ("", ())
    assert results["a"].state == results["b"].state == GRADED


def test_a_fault_that_passes_costs_nobody_anything():
    calls.clear()
    ((_, outcome),) = farm.run([job("anna", do="once")], play)
    assert (outcome.state, calls["anna"]) == (GRADED, 2)


def test_a_students_crash_is_an_outcome_and_no_fault():
    calls.clear()
    ((_, outcome),) = farm.run([job("anna", do="crash")], play)
    assert (outcome.state, outcome.reason, calls["anna"]) == (LIMITED, "cell 3: the process ended", 1)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("perfect"),
        Outcome(GRADED, reason=b"bytes"),
        Outcome(GRADED, reason="x" * 5000),
        Outcome(GRADED, notebook={"cells": []}),
        Outcome(GRADED, checks=[{"id": "a", "points": 1, "max": 2, "findings": []}]),
        Outcome(GRADED, checks=({"id": "a", "points": float("nan"), "max": 2, "findings": []},)),
        Outcome(GRADED, checks=({"id": "a", "points": True, "max": 2, "findings": []},)),
        Outcome(GRADED, checks=({"id": "a", "points": -1, "max": 2, "findings": []},)),
        Outcome(GRADED, seconds="long"),
    ],
)
def test_an_outcome_out_of_shape_is_seen(outcome):
    assert farm._flaw(outcome)
    assert not farm._flaw(Outcome(GRADED, checks=({"id": "a", "points": 1.5, "max": 2, "findings": []},)))


def test_no_more_than_two_jobs_a_slot_are_taken_from_the_caller():
    taken, handed_over, ahead = 0, 0, []

    def jobs():
        nonlocal taken
        for i in range(60):
            taken += 1
            ahead.append(taken - handed_over)
            yield job(f"s{i}")

    for _ in farm.run(jobs(), play, workers=3):
        handed_over += 1
    assert handed_over == 60
    assert max(ahead) <= 3 * farm.PER_SLOT + 1, "and the one that was just handed over"


def test_jobs_for_a_gpu_share_no_slot_and_the_others_do_not_wait_for_them():
    jobs = [job(f"g{i}", 0.2, lab="gpu") for i in range(6)] + [job(f"c{i}", 0.02) for i in range(6)]
    results = list(farm.run(jobs, play, workers=3, gpus=1, needs_gpu=needs_gpu))
    on_gpu = [o for j, o in results if j.lab == "gpu"]
    assert len(results) == 12 and len(on_gpu) == 6
    assert most_at_once(on_gpu) == 1
    assert max(said(o)[3] for j, o in results if j.lab != "gpu") < sorted(said(o)[3] for o in on_gpu)[2]


def test_without_a_gpu_slot_its_jobs_are_ungraded_and_the_others_graded():
    jobs = [job(f"g{i}", lab="gpu") for i in range(20)] + [job("anna")]
    states = {j.student: o.state for j, o in farm.run(jobs, play, needs_gpu=needs_gpu)}
    assert states.pop("anna") == GRADED
    assert len(states) == 20 and set(states.values()) == {UNGRADED}


def test_leaving_early_ends_the_cluster_and_its_threads():
    before = threading.active_count()
    for _ in farm.run([job(f"s{i}", 0.05) for i in range(50)], play, workers=4):
        break
    deadline = time.monotonic() + 10
    while threading.active_count() > before + 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before + 4, "only Dask's own idle helpers may stay"


def test_a_trivial_job_costs_milliseconds():
    results, start = 0, None
    for _ in farm.run((job(f"s{i}") for i in range(400)), play):
        results += 1
        start = start or time.process_time()
    assert results == 400
    assert (time.process_time() - start) / 400 < 0.02, "2.5 ms where it was measured; a hundredth of a submission"


# ---- in a process of its own

SCRIPT = """
import json, sys, time
from pathlib import Path
import psutil
from quintet_grading import farm
from played import job, play

seconds, writing = json.loads(sys.argv[1])
jobs = [job(f"s{i}", one) for i, one in enumerate(seconds)]
try:
    for number, (one, outcome) in enumerate(farm.run(jobs, play, total=len(jobs), log=Path("grading.log"))):
        if number == 0:
            listening = [c.laddr.ip for c in psutil.Process().net_connections() if c.status == "LISTEN"]
            print("listening", *sorted(set(listening)), flush=True)
        print(one.student, outcome.state, flush=True)
        time.sleep(writing)
except farm.Stopped as stopped:
    print(stopped)
    sys.exit(130)
"""


@contextlib.contextmanager
def script(folder: Path, seconds: list[float], writing: float = 0.0) -> Iterator[subprocess.Popen]:
    """A process that grades jobs of so many seconds; its caller takes `writing` seconds for each."""
    words = [sys.executable, "-c", SCRIPT, json.dumps([seconds, writing])]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=folder, env=farm_environment(), text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_listens_to_nobody_else_and_writes_nothing_on_stderr(tmp_path):
    with script(tmp_path, [0.0] * 5) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
    listening, *graded = out.splitlines()
    assert set(listening.split()[1:]) <= {"127.0.0.1"}
    assert len(graded) == 5


def test_ctrl_c_hands_over_what_is_done_and_says_how_to_go_on(tmp_path):
    with script(tmp_path, [0.3] * 40) as process:
        before = [process.stdout.readline() for _ in range(6)]
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - start < 5
    *after, last = out.splitlines()
    graded = len(before) - 1 + len(after)
    assert last == f"stopped: {graded} of 40 are graded; run the same command again for the rest"
    assert process.returncode == 130 and err == "" and graded < 20


def test_ctrl_c_does_not_wait_for_a_judge_that_hangs(tmp_path):
    with script(tmp_path, [0.0, 600.0, 600.0, 600.0]) as process:
        assert process.stdout.readline() and process.stdout.readline() == "s0 graded\n"
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        out, _ = process.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert out == "stopped: 1 of 4 are graded; run the same command again for the rest\n"


def test_the_first_ctrl_c_lets_the_writer_finish_and_the_second_interrupts_it(tmp_path):
    with script(tmp_path, [0.0] * 4, writing=600.0) as process:
        assert process.stdout.readline() and process.stdout.readline().endswith(" graded\n")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
    assert "KeyboardInterrupt" in err


# ---- a scheduler and workers of their own


@pytest.fixture
def dask(tmp_path):
    with Dask(tmp_path) as started:
        started.scheduler()
        yield started


@pytest.mark.slow
def test_a_killed_worker_costs_no_result(dask):
    first, _ = dask.worker(), dask.worker()
    dask.registered(2)
    results = []
    for result in farm.run([job(f"s{i}", 0.1) for i in range(30)], play, scheduler=dask.address):
        results.append(result)
        if len({said(o)[1] for _, o in results}) == 2 and first.poll() is None:
            os.kill(first.pid, signal.SIGKILL)
            first.wait(10)
    assert first.returncode == -signal.SIGKILL, "nobody was killed"
    assert sorted(j.student for j, _ in results) == sorted(f"s{i}" for i in range(30))
    assert {o.state for _, o in results} == {GRADED}


@pytest.mark.slow
@pytest.mark.parametrize("away", [0.0, 4.0])
def test_a_scheduler_that_is_killed_and_comes_back_costs_no_result(tmp_path, monkeypatch, away):
    """At once: the client connects again. Later: it has given up, and another takes its place."""
    monkeypatch.setattr(farm, "CONNECT_SECONDS", 10.0 if away == 0.0 else 2.0)
    with Dask(tmp_path) as dask:
        scheduler = dask.scheduler()
        dask.worker()
        results = []
        for result in farm.run([job(f"s{i}", 0.1) for i in range(20)], play, scheduler=dask.address):
            results.append(result)
            if len(results) == 5:
                os.kill(scheduler.pid, signal.SIGKILL)
                scheduler.wait(10)
                threading.Timer(away, lambda: (dask.scheduler(), dask.worker())).start()
        assert sorted(j.student for j, _ in results) == sorted(f"s{i}" for i in range(20))
        assert {o.state for _, o in results} == {GRADED}


@pytest.mark.slow
def test_a_scheduler_that_does_not_come_back_is_said_and_what_was_graded_is_kept(tmp_path):
    with Dask(tmp_path) as dask:
        scheduler = dask.scheduler()
        dask.worker()
        dask.registered(1)
        results = []
        with pytest.raises(GradingFault, match="did not come back within 3 s"):
            for result in farm.run(
                [job(f"s{i}", 0.1) for i in range(20)], play, scheduler=dask.address, patience_seconds=3.0
            ):
                results.append(result)
                if len(results) == 3:
                    os.kill(scheduler.pid, signal.SIGKILL)
        assert 3 <= len(results) < 20


@pytest.mark.slow
def test_a_worker_that_falls_silent_is_given_up_within_half_a_minute(dask):
    """Stopped, its connections stay open: as a cut cable looks from the other end."""
    silent, _ = dask.worker(), dask.worker()
    dask.registered(2)
    results, start = [], time.monotonic()
    for result in farm.run([job(f"s{i}", 0.1) for i in range(30)], play, scheduler=dask.address):
        results.append(result)
        if len({said(o)[1] for _, o in results}) == 2 and len(results) < 30:
            os.kill(silent.pid, signal.SIGSTOP)
    assert psutil.Process(silent.pid).status() == psutil.STATUS_STOPPED, "nobody fell silent"
    assert sorted(j.student for j, _ in results) == sorted(f"s{i}" for i in range(30))
    assert {o.state for _, o in results} == {GRADED}
    assert 5 < time.monotonic() - start < 45


@pytest.mark.slow
def test_a_submission_that_kills_every_worker_is_given_up_and_its_neighbours_are_graded(dask):
    for _ in range(2):
        dask.worker(nanny=True)
    dask.registered(2)
    jobs = [job("bad", 0.05, do="kill")] + [job(f"s{i}", 0.05) for i in range(20)]
    results = {j.student: o for j, o in farm.run(jobs, play, scheduler=dask.address)}
    assert len(results) == 21, "the farm stopped"
    assert results.pop("bad").state == UNGRADED
    assert {o.state for o in results.values()} == {GRADED}


@pytest.mark.slow
def test_gpu_jobs_run_where_a_worker_offers_a_slot_one_at_a_time(dask):
    dask.worker()
    gpu = dask.worker("--resources", "GPU=1", "--nthreads", "2")
    dask.registered(2)
    jobs = [job(f"g{i}", 0.2, lab="gpu") for i in range(5)] + [job(f"c{i}", 0.02) for i in range(20)]
    results = list(farm.run(jobs, play, scheduler=dask.address, needs_gpu=needs_gpu))
    on_gpu = [o for j, o in results if j.lab == "gpu"]
    assert len(results) == 25 and len(on_gpu) == 5
    assert {said(o)[1] for o in on_gpu} == {gpu.pid}
    assert most_at_once(on_gpu) == 1


@pytest.mark.slow
def test_two_workers_without_a_gpu_leave_its_jobs_ungraded_after_a_while(dask):
    dask.worker()
    dask.registered(1)
    jobs = [job("g", lab="gpu"), *(job(f"c{i}", 0.2) for i in range(10))]
    states = {j.student: o for j, o in farm.run(
        jobs, play, scheduler=dask.address, needs_gpu=needs_gpu, patience_seconds=5.0
    )}  # fmt: skip
    assert states["g"].state == UNGRADED and "--resources GPU=1" in states["g"].reason
    assert sum(o.state == GRADED for o in states.values()) == 10


def test_a_scheduler_without_workers_is_said(dask):
    with pytest.raises(GradingFault, match="has had no worker for 1 s: start some with `dask worker"):
        list(farm.run([job("anna")], play, scheduler=dask.address, patience_seconds=1.0))


def test_a_worker_of_another_version_is_refused_in_one_sentence(dask, tmp_path):
    other = tmp_path / "other" / "quintet_grading"
    shutil.copytree(ROOT / "grading", other, ignore=shutil.ignore_patterns("bank", "__pycache__"))
    with open(other / "job.py", "a") as file:
        file.write("# changed\n")
    dask.worker(PYTHONPATH=f"{other.parent}{os.pathsep}{ROOT / 'tests'}")
    with pytest.raises(Refusal, match=r"a worker runs another version \(quintet \w{12} there, \w{12} here\)"):
        list(farm.run([job("anna")], play, scheduler=dask.address))


# ---- refused before anything runs


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_refused_in_time():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        start = time.monotonic()
        with pytest.raises(Refusal, match="no scheduler answers at tcp://127.0.0.1"):
            list(farm.run([job("anna")], play, scheduler=f"127.0.0.1:{closed.getsockname()[1]}"))
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("tcp://192.0.2.1:8786", "start it with certificates"),
        ("192.0.2.1:8786", "start it with certificates"),
        ("http://127.0.0.1:8786", "give tcp://HOST:PORT"),
        ("tls://127.0.0.1:8786", "set QUINTET_TLS_CA"),
    ],
)
def test_an_address_that_cannot_do_is_refused_with_the_remedy(address, remedy, monkeypatch):
    monkeypatch.delenv("QUINTET_PLAIN_TCP", raising=False)
    start = time.monotonic()
    with pytest.raises(Refusal, match=remedy):
        list(farm.run([job("anna")], play, scheduler=address))
    assert time.monotonic() - start < 5, "nobody was asked"


def test_half_a_set_of_certificates_is_refused_by_the_name_of_the_missing_one(monkeypatch, tmp_path):
    (tmp_path / "ca.pem").write_text("")
    monkeypatch.setenv("QUINTET_TLS_CA", str(tmp_path / "ca.pem"))
    with pytest.raises(Refusal, match="QUINTET_TLS_CERT is not set"):
        farm.tls()


# ---- TLS


def certificates(folder: Path, name: str) -> dict[str, str]:
    """An authority of its own and one certificate by it, as farm.md tells to make them."""
    paths = {part: str(folder / f"{name}-{part}.pem") for part in ("ca", "ca_key", "cert", "key", "request")}

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", "-days", "2", *new, "-subj", "/CN=ca", "-keyout", paths["ca_key"], "-out", paths["ca"])
    openssl("req", *new, "-subj", f"/CN={name}", "-keyout", paths["key"], "-out", paths["request"])
    signed = ("-CA", paths["ca"], "-CAkey", paths["ca_key"], "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", paths["request"], *signed, "-out", paths["cert"])
    return paths


def use(monkeypatch, paths: dict[str, str]) -> None:
    for part in ("ca", "cert", "key"):
        monkeypatch.setenv(f"QUINTET_TLS_{part.upper()}", paths[part])


@pytest.mark.slow
def test_tls_lets_in_whoever_has_the_courses_certificate_and_nobody_else(tmp_path, monkeypatch):
    ours, foreign = certificates(tmp_path, "course"), certificates(tmp_path, "stranger")
    words = ("--tls-ca-file", ours["ca"], "--tls-cert", ours["cert"], "--tls-key", ours["key"])
    with Dask(tmp_path, "tls", words) as dask:
        dask.scheduler()
        dask.worker()
        use(monkeypatch, ours)
        results = list(farm.run([job("anna"), job("ben")], play, scheduler=dask.address))
        assert [o.state for _, o in results] == [GRADED, GRADED]

        use(monkeypatch, foreign)
        with pytest.raises(Refusal, match="no scheduler answers"):
            list(farm.run([job("anna")], play, scheduler=dask.address))
        for part in ("CA", "CERT", "KEY"):
            monkeypatch.delenv(f"QUINTET_TLS_{part}")
        configured = {"ca-file": ours["ca"], "client.cert": ours["cert"], "client.key": ours["key"]}
        with dask_config.set({f"distributed.comm.tls.{name}": path for name, path in configured.items()}):
            ((_, outcome),) = farm.run([job("anna")], play, scheduler=dask.address)
            assert outcome.state == GRADED
        with pytest.raises(Refusal, match="no scheduler answers"):  # in the clear
            list(farm.run([job("anna")], play, scheduler=dask.address.replace("tls", "tcp")))

        context = ssl.create_default_context(cafile=ours["ca"])
        context.check_hostname = False
        with (
            pytest.raises(OSError),  # who shows no certificate is cut off
            socket.create_connection(("127.0.0.1", dask.port), 5) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            wrapped.settimeout(5)
            assert wrapped.recv(1) == b"", "it was served"
            raise ConnectionError("closed")


@pytest.mark.slow
def test_a_cluster_of_a_gateway_is_found_by_its_name(tmp_path, monkeypatch):
    """A stand-in for the gateway's answer; its security object is the real one, on a TLS scheduler."""
    gateway = pytest.importorskip("dask_gateway", reason="dask-gateway comes with the extra `hub`")
    own = certificates(tmp_path, "cluster")  # a gateway's cluster has one certificate for everybody
    security = gateway.client.GatewaySecurity(Path(own["ca_key"]).read_text(), Path(own["ca"]).read_text())
    words = ("--tls-ca-file", own["ca"], "--tls-cert", own["ca"], "--tls-key", own["ca_key"])

    class Stand(contextlib.nullcontext):
        def get_cluster(self, name: str) -> SimpleNamespace:
            if name != "ml.7f3a":
                raise ValueError(f"Cluster {name} not found")
            return SimpleNamespace(scheduler_address=dask.address, security=security)

        def __enter__(self) -> "Stand":
            return self

    monkeypatch.setattr(gateway, "Gateway", Stand)
    with Dask(tmp_path, "tls", words) as dask:
        dask.scheduler()
        dask.worker()
        ((_, outcome),) = farm.run([job("anna")], play, scheduler="gateway:ml.7f3a")
        assert outcome.state == GRADED
        with pytest.raises(Refusal, match="no cluster 'other'"):
            list(farm.run([job("anna")], play, scheduler="gateway:other"))


# ---- progress


def test_without_a_terminal_progress_is_a_line_now_and_then():
    written = io.StringIO()
    with farm.Progress({"2_1_amp": 3}, Console(file=written, width=200), every_seconds=0.0) as progress:
        list(farm.run([job(f"s{i}") for i in range(3)], play, progress=progress))
    *_, before, last, end = written.getvalue().splitlines()
    assert before.startswith("2_1_amp: 2 of 3, ") and before.endswith(" s left")
    assert last.startswith("2_1_amp: 3 of 3, ") and last.endswith(" a minute")
    assert end.startswith("2_1_amp: 3 of 3, ")


def test_on_a_terminal_progress_is_a_bar_per_lab_with_rate_and_time_left():
    written = io.StringIO()
    console = Console(file=written, width=120, force_terminal=True)
    with farm.Progress({"2_1_amp": 2, "gpu": 1}, console) as progress:
        list(farm.run([job("a"), job("b"), job("c", lab="gpu")], play, progress=progress))
    assert all(text in written.getvalue() for text in ("2_1_amp", "2/2", "gpu", "1/1", "a minute", "0:00:00"))


def test_a_submission_may_take_its_time_and_no_longer(monkeypatch):
    """A judge that never returns ends the run with its reason, after the limits that the job itself names."""
    monkeypatch.setattr(farm, "LOOK_SECONDS", 0.2)
    limits = Limits(total_seconds=0.5, start_seconds=0.5)
    slow = Job("anna", "2_1_amp", "hash", "version", json.dumps({"seconds": 600.0, "do": ""}), limits=limits)
    start = time.monotonic()
    with pytest.raises(GradingFault, match="longer than any submission may take"):
        list(farm.run([slow], play))
    assert 1 < time.monotonic() - start < 10
