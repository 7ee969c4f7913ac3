"""What this machine is, what of the course it can run, and how to get what is missing (`quintet doctor`).

`report()` looks and returns plain data, `problems()` says what must be put right, `table()` shows it. A machine without
a GPU or a sandbox is no problem: the report says what is left out there.
"""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

PYTHON = (3, 11)
LOCK = Path(__file__).parents[2] / "requirements.lock"  # beside lib/; absent where only the package was installed

ANEW = "rm -r .venv && make setup"  # set-up, once done, does not look for what was changed by hand


def report(lock: Path = LOCK, sandbox: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything `quintet doctor --json` writes: plain types only.

    sandbox: what the grader says of this machine, `{why_not, counted}`; students' installations have none.
    """
    return {
        "python": {"version": platform.python_version(), "ok": sys.version_info[:2] == PYTHON},
        "platform": platform.platform(),
        "machine": _machine(),
        "packages": _packages(lock),
        "data": _data(),
        "sandbox": sandbox or {"why_not": "there is no grader here", "counted": False},
    }


def problems(report: dict[str, Any]) -> list[str]:
    """One sentence with its remedy for each thing that must be put right; empty if the course runs here."""
    found = []
    if not report["python"]["ok"]:
        found.append(
            f"Python is {report['python']['version']}, the course needs {PYTHON[0]}.{PYTHON[1]}: run `make setup`."
        )
    packages = report["packages"]
    if packages["missing"]:
        found.append(f"Packages of requirements.lock are not installed ({_some(packages['missing'])}): run `{ANEW}`.")
    if packages["mismatched"]:
        found.append(f"Packages are not as in requirements.lock ({_some(packages['mismatched'])}): run `{ANEW}`.")
    absent = [name for name, data in report["data"].items() if not data["present"]]
    if absent:
        found.append(f"Data are missing ({', '.join(absent)}): run `make data`.")
    return found


def table(report: dict[str, Any]) -> Table:
    """The report for a terminal: what was looked at, what is here, what to do."""
    from rich.table import Table

    shown = Table("", "here", "to do", title="quintet doctor", title_justify="left")
    for row in _rows(report):
        shown.add_row(*row)
    return shown


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    python, machine, packages = report["python"], report["machine"], report["packages"]
    rows = [
        ("Python", python["version"], "" if python["ok"] else "make setup"),
        ("platform", report["platform"], ""),
    ]
    if "error" in machine:
        rows.append(("machine", machine["error"], ANEW))
    else:
        cpu, memory = machine["cpu"], machine["memory"]
        rows += [
            ("processor", f"{cpu['model'] or 'unknown'}, {cpu['usable_cores'] or cpu['logical_cores']} cores", ""),
            ("instruction sets", ", ".join(cpu["isa"] or []) or "unknown", ""),
            ("memory", f"{(memory['limit_bytes'] or memory['total_bytes']) / 2**30:.1f} GiB", ""),
            ("GPU", _gpus(machine["cuda"]), ""),
        ]
    if packages["locked"] is None:
        rows.append(("packages", "requirements.lock is not beside the package: not compared", ""))
    else:
        bad = packages["missing"] + packages["mismatched"]
        here = f"{packages['locked'] - len(bad)} of {packages['locked']} as in requirements.lock"
        rows.append(("packages", here, ANEW if bad else ""))
        rows += [(f"  {p['name']}", f"{p.get('installed', 'missing')}, should be {p['locked']}", "") for p in bad]
    rows += [
        (f"data: {name}", "here" if data["present"] else "missing", "" if data["present"] else "make data")
        for name, data in report["data"].items()
    ]
    sandbox = report["sandbox"]
    if sandbox["why_not"]:
        rows.append(("sandbox", "none: no grading of code that is not trusted", sandbox["why_not"]))
    else:
        counted = "counted by control groups" if sandbox["counted"] else "limited for each process only"
        rows.append(("sandbox", f"here; memory and processes {counted}", ""))
    return rows


def _gpus(devices: list[dict[str, Any]]) -> str:
    return ", ".join(str(device.get("name", device)) for device in devices) or "none: tests marked gpu are skipped"


def _machine() -> dict[str, Any]:
    try:
        from quintet.measure import machine  # needs torch, which may be what is missing
    except ImportError as error:
        return {"error": f"cannot be examined ({error})"}
    return machine()


def _data() -> dict[str, dict[str, bool]]:
    try:
        from quintet import data
    except ImportError:  # platformdirs is missing; _packages says so
        return {}
    return {name: {"present": getattr(data, name).present()} for name in data.names()}


def _packages(lock: Path) -> dict[str, Any]:
    """Installed versions against the lock, for the lines that apply on this system."""
    missing, mismatched = [], []
    if not lock.is_file():
        return {"locked": None, "missing": missing, "mismatched": mismatched}
    wanted = _locked(lock.read_text())
    for name, version in wanted.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append({"name": name, "locked": version})
            continue
        if installed.partition("+")[0] != version.partition("+")[0]:  # a build tag like +cu130 is the same release
            mismatched.append({"name": name, "locked": version, "installed": installed})
    return {"locked": len(wanted), "missing": missing, "mismatched": mismatched}


def _locked(text: str) -> dict[str, str]:
    """Name and version of each requirement whose marker holds here."""
    from packaging.requirements import Requirement

    requirements = [Requirement(line.rstrip("\\ ")) for line in re.findall(r"^[A-Za-z0-9].*==.*$", text, re.MULTILINE)]
    return {r.name: next(iter(r.specifier)).version for r in requirements if r.marker is None or r.marker.evaluate()}


def _some(packages: list[dict[str, str]], most: int = 3) -> str:
    names = [p["name"] for p in packages]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"
