"""`quintet.doctor`: it says what is here, names what is missing, and how to get it."""

import json
import sys

import pytest
from rich.console import Console

from quintet import doctor

LOCK = """\
# a comment
numpy==0.0.1 ; python_full_version < '3.12' and sys_platform == '{here}' \\
    --hash=sha256:00
    # via quintet (pyproject.toml)
no-such-package==1.2.3 \\
    --hash=sha256:00
only-elsewhere==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:00
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK.format(here=sys.platform))
    return path


@pytest.fixture(scope="module")
def here():
    return doctor.report()


def shown(report):
    console = Console(width=160, record=True, file=open("/dev/null", "w"))
    console.print(doctor.table(report))
    return console.export_text()


def test_the_report_is_json_and_names_each_part(here):
    assert json.loads(json.dumps(here)) == here
    assert set(here) == {"python", "platform", "machine", "packages", "data", "sandbox"}
    assert here["machine"]["memory"]["total_bytes"] > 0 and "fashion_mnist" in here["data"]


def test_this_environment_is_the_locked_one(here):
    assert here["python"]["ok"]
    assert here["packages"]["locked"] > 100, "the lock was not read"
    assert here["packages"]["missing"] == [] and here["packages"]["mismatched"] == []


def test_missing_and_mismatched_packages_are_told_apart_and_other_systems_left_out(lock):
    packages = doctor.report(lock)["packages"]
    assert packages["locked"] == 2
    assert [p["name"] for p in packages["missing"]] == ["no-such-package"]
    assert [(p["name"], p["locked"]) for p in packages["mismatched"]] == [("numpy", "0.0.1")]


def test_each_problem_comes_with_its_remedy(lock):
    report = doctor.report(lock)
    report["python"] = {"version": "3.12.1", "ok": False}
    report["data"] = {"fashion_mnist": {"present": False}}
    found = doctor.problems(report)
    assert len(found) == 4 and all("make" in sentence for sentence in found)
    for word in ("3.12.1", "no-such-package", "numpy", "fashion_mnist"):
        assert sum(word in sentence for sentence in found) == 1
        assert word in shown(report)


def test_a_whole_machine_has_no_problem_even_without_gpu_and_sandbox(here):
    report = here | {
        "sandbox": {"why_not": "run `apt-get install bubblewrap`", "counted": False},
        "data": {"fashion_mnist": {"present": True}},
    }
    report["packages"] = {"locked": 338, "missing": [], "mismatched": []}
    report["machine"] = here["machine"] | {"cuda": []}
    assert doctor.problems(report) == []
    assert "apt-get install bubblewrap" in shown(report) and "none: tests marked gpu are skipped" in shown(report)


def test_a_gpu_is_shown_by_name(here):
    gpu = {"name": "Example GPU", "capability": "8.0", "memory_bytes": 2**34, "multiprocessors": 108}
    assert "Example GPU" in shown(here | {"machine": here["machine"] | {"cuda": [gpu]}})


def test_without_the_lock_packages_are_not_compared(tmp_path):
    report = doctor.report(tmp_path / "requirements.lock")
    assert report["packages"]["locked"] is None and "not compared" in shown(report)


def test_it_still_answers_where_torch_is_what_is_missing(monkeypatch, lock):
    monkeypatch.setitem(sys.modules, "quintet.measure", None)
    report = doctor.report(lock)
    assert "error" in report["machine"] and "cannot be examined" in shown(report)
