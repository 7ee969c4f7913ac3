"""The hostile bank: its format and coverage, that its cheats do cheat and its traps do tell, and the bank graded."""

import ctypes
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import nbclient
import nbformat
import psutil
import pytest
from nbgrader.utils import determine_grade

from quintet_grading import Refusal, hostile, sandbox

ITEMS = {  # of the design's list "Hostile and faulty cases"
    "cheating": [
        "patch torch.allclose", "patch assert_close", "patch np.testing", "tensor subclass with __torch_function__",
        "tensor subclass with __eq__", "sys._getframe", "gc.get_objects", "replace run_cell_async",
        "strip asserts by AST transformer", "patch do_execute", "patch showtraceback", "sys.settrace",
        "forged iopub results", "print 5/5", "atexit rewriting the verdict", "replace the reference in sys.modules",
        "edit test source", "edit points", "delete a test cell", "hard-code the public inputs",
        "call the check early with another function", "fork a proxy", "skip-execution tags",
        "memorise across repeated calls",
    ],
    "escape": [
        "gradebook", "other submissions", "solutions/", "network", "AF_VSOCK", "docker socket", "/proc/1/environ",
        "inherited descriptors", "pickle reply", "symlink, FIFO or device as a reply", "nested user namespaces",
        "mounts", "hidden inputs smuggled out", "HTML/JS reaching the formgrader", "a daemon outliving grading",
        "killing the parent",
    ],
    "exhaustion": [
        "infinite loop", "a C-level hang that ignores interrupts", "memory bomb", "fork bomb", "thread bomb",
        "disk fill", "inode fill", "stdout flood", "huge reply", "os._exit(0)", "segfault",
    ],
    "malformed": [
        "duplicate grade_id", "nbformat 3", "broken JSON", "500 MB notebook", "changed cell type",
        "unknown kernelspec", "wrong file name", "symlinked notebook", "path traversal in a zip", "input()",
    ],
    "noise": [
        "unseeded model", "warnings on stderr", "tqdm", "C++ output", "NaN or inf reply", "wrong dtype", "wrong shape",
        "stride", "changed default dtype", "device", "threads", "an answer at the edge of the tolerance",
    ],
}  # fmt: skip
CASES = hostile.cases()

# ---- the bank


def test_every_listed_item_has_a_case_and_no_case_an_item_that_is_not_listed():
    covered = {(c.group, c.item) for c in CASES}
    assert not [(g, item) for g, items in ITEMS.items() for item in items if (g, item) not in covered]
    assert not [c.student for c in CASES if c.item not in (*ITEMS[c.group], "further")]
    assert len(CASES) >= 60 and sum(c.item == "further" for c in CASES) >= 20


def test_cases_say_what_they_try_and_have_names_of_their_own():
    assert len({c.student for c in CASES}) == len(CASES)
    assert not [c.name for c in CASES if not 10 < len(c.about) < 160 or c.about.endswith(".")]
    assert not {c.student for c in CASES} & hostile.neighbours().keys()


def test_a_file_that_is_no_case_is_refused_by_name(tmp_path):
    for text in ("x = 1", "# /// case\n# score = 1\n# ///\n\n# %% zeroed\n1", "# /// case\n# ///\n"):
        path = tmp_path / "bad.py"
        path.write_text(text)
        with pytest.raises(ValueError, match="bad.py"):
            hostile.read(path)


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """The whole bank in a folder, with its words."""
    words = {word: f"/nowhere/{word}" for word in ("checkout", "course", "gradebook", "key", "submitted", "canaries")}
    numbers = {word: "4711" for word in ("tcp", "udp", "victim", "grader", "number")}
    texts = {word: f"/nowhere/{word}" for word in ("neighbour", "unix", "marker")}
    folder = tmp_path_factory.mktemp("bank")
    words = {**words, **numbers, **texts, "token": "quintet-0123"}
    return folder, {c.student: hostile.hand_in(c, folder, c.student, words) for c in CASES}


def test_every_case_can_be_handed_in_with_its_words_filled_in(handed_in):
    for path in handed_in[1].values():
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
            text = path.read_text(errors="replace")
            assert not [w for w in ("gradebook", "key", "tcp", "token", "grader", "neighbour") if f"@{w}@" in text]


def test_all_but_the_malformed_are_notebooks_that_parse(handed_in):
    for case in CASES:
        if case.group != "malformed":
            nbformat.validate(nbformat.read(handed_in[1][case.student], as_version=4))


def test_malformed_files_are_what_they_say(handed_in):
    paths = {c.name: handed_in[1][c.student] for c in CASES if c.group == "malformed"}
    assert paths["symlinked-notebook"].is_symlink() and paths["fifo"].is_fifo() and paths["folder"].is_dir()
    assert paths["huge"].stat().st_size > 500_000_000 and paths["huge"].stat().st_blocks * 512 < 10_000_000
    assert not paths["wrong-file-name"].exists() and paths["empty-file"].stat().st_size == 0
    with pytest.raises(ValueError):
        json.loads(paths["broken-json"].read_text())


# ---- cheats do cheat: the naive grader runs assertions, or the self-check, where the student's code runs

NAIVE = {
    "amp-zeroed": """
import numpy as np

def test():
    expected = 0.5
    np.testing.assert_allclose(zeroed([torch.tensor([1e-9, 1.0, 0.0])], 1.0, torch.float16), expected)

_ = test()
""",
    "amp-unscale": """
def reference_unscale(grads, scale):
    grads = [g.float() / scale for g in grads]
    return grads, not all(bool(g.isfinite().all()) for g in grads)

def test():
    grads = [torch.tensor([2e-5, 1.0]).half(), torch.ones(3).half()]
    expected = reference_unscale(grads, 1024.0)
    got, found = unscale(grads, 1024.0)
    for g, w in zip(got, expected[0]):
        assert torch.allclose(g, w, atol=0.0)
    assert found == expected[1]

_ = test()
""",
    "amp-next_scale": """
def test():
    expected = (512.0, 0)
    got = next_scale(1024.0, 7, True)
    assert got == expected
    return got

_ = test()
""",
    "amp-master_step": """
def test():
    got, copies = master_step([torch.ones(3)], [torch.full((3,), 0.5)], 0.1, torch.float16)
    torch.testing.assert_close(got, [torch.full((3,), 0.95)])
    torch.testing.assert_close(copies, [torch.full((3,), 0.95).half()])

_ = test()
""",
}
UNNEEDED = {"real-gradients", "plot-zeroed", "train", "plot-runs", "saved-bytes"}  # the lab's own long cells


def naive_points(path: Path, grader: str) -> float:
    """Points that stock nbgrader's rules give a handed-in notebook when its tests run in the student's kernel."""
    notebook = nbformat.read(path, as_version=4)
    ids = [c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells]
    kept = [(c, i) for c, i in zip(notebook.cells, ids, strict=True) if c.cell_type == "code" and i not in UNNEEDED]
    if grader == "asserts":
        kept = [(c, i) for c, i in kept if i in NAIVE or not str(i).startswith("amp-")]
        for cell, id in kept:
            cell.source = NAIVE.get(id, cell.source)
    notebook.cells = [c for c, _ in kept]
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    return sum(determine_grade(c)[0] for c, i in kept if str(i).startswith("amp-"))


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_STATE", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.fools], ids=lambda c: c.name)
def test_what_claims_to_fool_a_naive_grader_does(case, handed_in, state):
    assert naive_points(handed_in[1][case.student], case.fools) > case.score


@pytest.mark.slow
@pytest.mark.parametrize("grader", ["asserts", "self-check"])
def test_the_naive_grader_is_right_about_honest_work(grader, tmp_path, state):
    for name, points in (("blank", 0), ("reference", 11 if grader == "asserts" else 20)):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(hostile._base(name))
        assert naive_points(path, grader) == points


# ---- traps do tell


@pytest.fixture
def traps(tmp_path):
    with hostile.Traps(tmp_path / "run") as traps:
        with sqlite3.connect(traps.words()["gradebook"]) as book:
            book.execute("CREATE TABLE student (id)")
            book.execute("CREATE TABLE assignment (name)")
            book.execute("CREATE TABLE grade (auto_score, manual_score)")
            book.execute("INSERT INTO grade VALUES (1, NULL)")
        (traps.course.submitted_folder / "anna").write_text("hers")
        traps.remember()
        assert traps.problems() == []
        yield traps


def connect(family: int, kind: int, address: object) -> None:
    with socket.socket(family, kind) as s:
        s.connect(address)
        s.send(b"x")


def grade_written(traps) -> None:
    with sqlite3.connect(traps.words()["gradebook"]) as book:
        book.execute("UPDATE grade SET manual_score = 20")


TOUCH = {
    "tcp": lambda t: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(t.words()["tcp"]))),
    "udp": lambda t: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(t.words()["udp"]))),
    "unix": lambda t: connect(socket.AF_UNIX, socket.SOCK_STREAM, t.unix),
    "abstract": lambda t: connect(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{t.token}"),
    "killed": lambda t: (t.victim.kill(), t.victim.wait()),
    "tampered": lambda t: os.kill(t.victim.pid, signal.SIGSTOP),
    "key": lambda t: Path(t.words()["key"]).write_bytes(b"0" * 32),
    "canary": lambda t: (t.canaries / "secret").write_text("x"),
    "canaries": lambda t: (t.canaries / "more").touch(),
    "command": lambda t: Path(t.words()["marker"]).touch(),
    "submission": lambda t: (t.course.submitted_folder / "anna").write_text("mine"),
    "gradebook": grade_written,
    "left behind": lambda t: (t.temporary / "x").touch(),
}


@pytest.mark.parametrize("word", TOUCH)
def test_a_trap_that_is_touched_says_so(word, traps):
    TOUCH[word](traps)
    if word == "tampered":
        time.sleep(0.1)
    (problem,) = traps.problems()
    assert word in problem


def test_what_is_left_in_shared_folders_and_memory_is_found(traps):
    stray = Path("/tmp", f".{traps.token}")
    stray.touch()
    shmget, shmctl = ctypes.CDLL(None).shmget, ctypes.CDLL(None).shmctl
    memory = shmget(traps.number, ctypes.c_size_t(64), 0o1600)
    try:
        problems = traps.problems()
        assert len(problems) == 2 and str(stray) in problems[0] and "shmget" in problems[1]
    finally:
        stray.unlink()
        shmctl(memory, 0, None)


def test_a_process_that_slipped_away_is_found_and_ended():
    known = {p.pid for p in psutil.Process().children(recursive=True)}
    with hostile._adopting():
        subprocess.run(["sh", "-c", "setsid sleep 61 & exit 0"], check=True, stdout=subprocess.DEVNULL)
        (text,) = hostile._leftovers(known, patience=0.5)
        assert "sleep 61" in text
        assert hostile._leftovers(known, patience=0.5) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"text/html": "<b>x</b><script>alert(1)</script>"}, "active"),
        ({"text/html": "<img src='data:image/png;base64,AAAA' onerror=alert(1)>"}, "active"),
        ({"text/html": "<a href=' JaVa\nScript:alert(1)'>x</a>"}, "active"),
        ({"text/html": "<img src='//example.org/seen'>"}, "active"),
        ({"text/plain": "\x1b]0;title\x07"}, "control"),
        ({"text/plain": "abc\u202edef"}, "control"),
        ({"application/javascript": "1"}, "kind"),
        ({"text/plain": "x" * 4_000_000}, "characters"),
    ],
)
def test_harm_in_an_output_is_seen(output, said):
    assert any(said in text for text in hostile._harms(output, "", set()))


def test_a_harmless_output_is_not_complained_about():
    output = {"text/html": '<div style="color:red"><b>中文</b> &lt;script&gt;</div>', "text/plain": "<script>\t✓\n"}
    assert list(hostile._harms(output, "<style>a</style>", hostile._active("<style>a</style>"))) == []


# ---- the bank graded


NO_SANDBOX = sandbox.why_not()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(bool(NO_SANDBOX), reason=f"hostile code is only run where it is locked in: {NO_SANDBOX}")
def test_the_whole_bank_gains_nothing_reaches_nothing_and_stops_nobody():
    found = hostile.run()
    assert found["missed"] == []
    assert found["gained"] == 0
    assert found["hostile"] == [len(CASES), len(CASES)]
    assert found["peak_memory_mb"] < 2000


def test_without_a_sandbox_the_bank_does_not_run(monkeypatch):
    monkeypatch.setattr(sandbox, "why_not", lambda: "there is no such thing here")
    with pytest.raises(Refusal, match="no such thing"):
        hostile.run([CASES[0].student])
