"""Set-up: one set of versions everywhere, a Makefile that lists itself, one sentence when something is in the way."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==\S+", LOCK, re.MULTILINE)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = (ROOT / "environment.yml").read_text()
MAIN = "torch jupyterlab nbgrader papermill nbval albumentations matplotlib onnx tensorrt ipywidgets".split()


def run(*command, cwd=ROOT, **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(command, cwd=cwd, env=clean | env, capture_output=True, text=True, timeout=300)


def in_repository():
    """Every file that is or would be committed."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# ------------------------------------------------------------------------------------------------- one set of versions


def test_every_dependency_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = [Requirement(line) for group in (PROJECT["project"]["dependencies"], *extras) for line in group]
    assert len(asked) > 50
    assert [r.name for r in asked if canonicalize_name(r.name) not in PINNED] == []


def test_versions_stand_in_the_lock_alone():
    groups = (PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values())
    assert [line for group in groups for line in group if Requirement(line).url or "==" in line.split(";")[0]] == []
    assert re.findall(r"==|\d+\.\d+", CONDA.replace("python=3.11", "")) == []


def test_every_pin_has_hashes_and_no_index_is_named():
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) >= len(PINNED) > 100
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert re.findall(r"^ *(?:-i|-f|--\S*index\S*|--find-links|--trusted-host)\b", LOCK, re.MULTILINE) == []


def test_conda_and_make_install_the_same():
    conda = yaml.safe_load(CONDA)
    python = next(d for d in conda["dependencies"] if isinstance(d, str) and d.startswith("python="))
    assert PROJECT["project"]["requires-python"] == f"=={python.removeprefix('python=')}.*"
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.lock"]}
    assert "requirements.lock" in (ROOT / ".ci/setup").read_text()


def test_the_main_packages_are_named_for_conda_and_all_but_the_vendors_are_locked():
    comments = "\n".join(line for line in CONDA.splitlines() if line.startswith("#"))
    assert [name for name in MAIN if not re.search(rf"\b{name}\b", comments)] == []
    assert [name for name in MAIN if name not in PINNED] == ["tensorrt"]
    assert "not run here" in comments and "not tried" in comments


def test_no_file_names_an_index_or_this_machine():
    # In two halves each, or this file would be the first to be found.
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "pypi." + "nvidia.com",
        "registry." + "npmjs",
        "deb." + "debian.org",
    ]
    home = str(Path.home())
    places = [f"{ROOT}/", f"{home}/"] if len(home) > 1 else [f"{ROOT}/"]
    found = []
    for path in in_repository():
        text = path.read_text(errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in hosts + places if word in text]
    assert found == []


# ------------------------------------------------------------------------------------------------------------- Makefile

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


@needs_make
def test_make_alone_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    assert targets == set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    listed = run("make")
    assert listed.returncode == 0 and listed.stderr == ""
    assert {line.split()[1] for line in listed.stdout.splitlines()} == targets
    assert all(len(line.split()) > 3 for line in listed.stdout.splitlines()), "each with a line of text"


@needs_make
def test_every_recipe_is_valid():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE):
        assert run("make", "--dry-run", target).returncode == 0, target


def test_ci_runs_the_tests():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and "make test" in script.read_text()
    assert run("bash", "-n", script).returncode == 0


# --------------------------------------------------------------------------------------------------------------- set-up

FAKE_UV = """#!/bin/sh
echo "$*" >>"$UV_LOG"
case "$1 $2" in
  "--version "*) echo uv 0 ;;
  "python find") echo "$REAL_PYTHON" ;;
  venv*)
    mkdir -p .venv/bin
    echo "VIRTUAL_ENV='$PWD/.venv'" >.venv/bin/activate
    ln -s "$REAL_PYTHON" .venv/bin/python ;;
  "pip sync") if [ -n "$UV_FAILS" ]; then echo "$UV_FAILS" >&2; exit 1; fi ;;
esac
"""


@pytest.fixture
def copy(tmp_path):
    """A fresh checkout, as far as set-up looks at one."""
    place = tmp_path / "copy"
    (place / ".ci").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock", ".ci/setup"):
        shutil.copy(ROOT / name, place / name)
    return place


@pytest.fixture
def fake(tmp_path):
    """Environment with a uv that only notes what it is asked; `UV_FAILS` is what it says when it fails to install."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(FAKE_UV)
    (tools / "uv").chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "UV_LOG": str(tmp_path / "log"),
        "UV_FAILS": "",
        "REAL_PYTHON": sys.executable,
        "PYTHON": "",
    }


def said_once(done, *words):
    """Exit code 2 and one sentence that holds the words."""
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1 and all(word in done.stderr for word in words), done.stderr
    return True


def set_up(copy):
    return (copy / ".venv" / "quintet-setup").exists()


def asked(fake):
    log = Path(fake["UV_LOG"])
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_a_second_setup_does_nothing_and_a_changed_lock_updates_in_place(copy, fake):
    assert run(".ci/setup", cwd=copy, **fake).returncode == 0
    assert [line for line in asked(fake) if line.startswith("venv")] and set_up(copy)
    again = run(".ci/setup", cwd=copy, **fake)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "") and asked(fake) == []
    with (copy / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert run(".ci/setup", cwd=copy, **fake).returncode == 0
    lines = asked(fake)
    assert [line for line in lines if line.startswith("pip sync")] and not [x for x in lines if x.startswith("venv")]


def test_an_environment_that_was_cut_off_or_moved_is_made_anew(copy, fake, tmp_path):
    run(".ci/setup", cwd=copy, **fake)
    (copy / ".venv" / "quintet-setup").unlink()
    asked(fake)
    assert "making it anew" in run(".ci/setup", cwd=copy, **fake).stdout
    assert [line for line in asked(fake) if line.startswith("venv")]
    moved = copy.rename(tmp_path / "moved")
    assert "making it anew" in run(".ci/setup", cwd=moved, **fake).stdout
    assert set_up(moved)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("failed to copy file: No space left on device (os error 28)", "disk is full"),
        ("error: Failed to fetch: some index", "connect to a network"),
    ],
)
def test_a_failed_installation_is_explained_and_not_taken_for_complete(copy, fake, reason, word):
    assert said_once(run(".ci/setup", cwd=copy, **fake | {"UV_FAILS": reason}), word, "make setup")
    assert not set_up(copy)
    assert run(".ci/setup", cwd=copy, **fake).returncode == 0 and set_up(copy)


def test_another_reason_is_passed_on(copy, fake):
    done = run(".ci/setup", cwd=copy, **fake | {"UV_FAILS": "hash mismatch for x"})
    assert done.returncode == 2 and "hash mismatch for x" in done.stderr and "the reason above" in done.stderr


@needs_make
def test_a_failed_update_leaves_no_stamp(copy, fake):
    run(".ci/setup", cwd=copy, **fake)
    with (copy / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    failed = run("make", "setup", cwd=copy, **fake | {"UV_FAILS": "No space left on device"})
    assert failed.returncode == 2 and "disk is full" in failed.stderr and not set_up(copy)


def test_a_wrong_argument_is_refused(copy, fake):
    assert said_once(run(".ci/setup", "now", cwd=copy, **fake), "unknown argument now")


# With the real uv, and no network: a proxy that nobody listens at, an empty cache.

REAL_UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
NOWHERE = "http://127.0.0.1:9"
OFFLINE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy"), NOWHERE) | {
    "NO_PROXY": "", "no_proxy": "", "UV_HTTP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "",
    "PYTHON": "",
}  # fmt: skip
TOOLS = "bash dirname pwd cat cmp grep sed cut awk rm mv mkdir".split()


@pytest.fixture
def bare(tmp_path):
    """A folder of commands with neither uv nor Python."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


@pytest.mark.skipif(not REAL_UV, reason="uv is not installed")
@pytest.mark.parametrize("version", ["3.12", "3.9"])
def test_a_wrong_python_is_named_with_the_remedy(copy, bare, version):
    (bare / "uv").symlink_to(REAL_UV)
    python = bare / "python"
    python.write_text(f"#!/bin/sh\necho {version}\n")
    python.chmod(0o755)
    done = run(".ci/setup", cwd=copy, **OFFLINE | {"PATH": str(bare), "PYTHON": str(python)})
    assert said_once(done, "needs Python 3.11", version, "install", "make setup PYTHON=")
    assert not (copy / ".venv").exists()


@pytest.mark.skipif(not REAL_UV, reason="uv is not installed")
def test_no_network_at_first_setup_is_said_in_one_sentence(copy, bare, tmp_path):
    (bare / "uv").symlink_to(REAL_UV)
    env = OFFLINE | {"PATH": str(bare), "PYTHON": sys._base_executable, "UV_CACHE_DIR": str(tmp_path / "cache")}
    assert said_once(run(".ci/setup", cwd=copy, **env), "package index cannot be reached", "make setup")
    assert not set_up(copy)


def test_neither_uv_nor_python(copy, bare):
    assert said_once(run(".ci/setup", cwd=copy, **OFFLINE | {"PATH": str(bare)}), "install Python 3.11", "apt-get")
    assert not (copy / ".uv").exists()


def test_a_python_without_venv(copy, bare):
    python = bare / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\nexec "{sys._base_executable}" "$@"\n')
    python.chmod(0o755)
    assert said_once(run(".ci/setup", cwd=copy, **OFFLINE | {"PATH": str(bare)}), "no venv module", "python3-venv")


@pytest.mark.slow
def test_no_network_and_no_uv(copy, bare):
    (bare / "python3.11").symlink_to(sys._base_executable)
    done = run(".ci/setup", cwd=copy, **OFFLINE | {"PATH": str(bare)})
    assert said_once(done, "package index cannot be reached")
    assert not (copy / ".uv").exists() and not (copy / ".uv.part").exists(), "half a uv would be taken for a whole one"
