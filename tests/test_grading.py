"""From a folder of submissions to a gradebook: the child process, the referee, nbgrader's steps, `quintet grade`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from nbgrader.api import Gradebook

from quintet_grading import bank, grade, run, sandbox
from quintet_grading.course import ROOT, Course
from quintet_grading.job import Limits
from quintet_grading.nursery import Nursery, of_lab

LAB = "2_1_amp"
QUINTET = Path(sys.executable).parent / "quintet"


def fixed(id: str) -> np.random.Generator:
    return np.random.default_rng(0)


def hand_in(folder: Path, student: str, notebook) -> Path:
    path = folder / student / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook), encoding="utf-8")
    return path


def case(name: str) -> bank.Case:
    return next(c for c in bank.cases(LAB) if c.name == name)


def reference():
    return bank.submission(LAB, case("reference"))


def with_cell(source: str):
    """The reference with one more cell, before the first step."""
    notebook = reference()
    at = next(i for i, c in enumerate(notebook.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == "zeroed")
    notebook.cells.insert(at, nbformat.v4.new_code_cell(source))
    return notebook


def judged(notebook, **limits) -> run.Verdict:
    return run.judge(notebook, fixed, of_lab(LAB), Limits(**limits))


# ---- the child


def test_a_submission_cannot_see_checks_or_topics_and_its_own_check_calls_do_nothing():
    look = "[m for m in sys.modules if m.startswith('quintet.checks') or m == 'quintet.amp']"
    verdict = judged(with_cell(f"import sys\nprint({look}, check('amp/zeroed'))"))
    printed = [o["text"] for c in verdict.notebook.cells if c.cell_type == "code" for o in c.outputs if "text" in o]
    assert "[] None\n" in printed
    assert verdict.points == verdict.max == 20


def test_two_submissions_of_one_nursery_share_nothing():
    assert judged(with_cell("import torch; torch.marked = 1")).points == 20
    verdict = judged(with_cell("import torch; print(hasattr(torch, 'marked'))"))
    assert any(o.get("text") == "False\n" for c in verdict.notebook.cells if c.cell_type == "code" for o in c.outputs)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("import os; os._exit(0)", "ended"),
        ("while True: pass", "no answer within"),
        ("import ctypes; ctypes.string_at(0)", "ended"),
    ],
)
def test_a_submission_that_dies_or_hangs_keeps_what_it_has_and_says_why(bad, said):
    notebook = reference()
    at = next(i for i, c in enumerate(notebook.cells) if run.check_id(c) == "amp/unscale")
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(bad))
    verdict = judged(notebook, cell_seconds=8.0)
    assert said in verdict.reason
    assert verdict.seconds < 30, "the limit that was given counts"
    assert {r.id: r.points for r in verdict.results if r.points} == {"amp/zeroed": 2, "amp/unscale": 3}
    assert judged(reference()).points == 20, "the next submission is not affected"


def test_dying_inside_a_check_costs_the_rest_and_no_more():
    cells = {"accumulate": "def accumulate(*args):\n    import os\n    os._exit(1)"}
    verdict = judged(bank.submission(LAB, bank.Case("dies", "wrong", cells, "")))
    assert "amp/accumulate" in verdict.reason
    assert [r.points for r in verdict.results] == [2, 3, 3, 0, 0, 0]


# What a rank could answer from without a message. Not in the bank: ranks of a notebook are threads of one kernel.
BY_ANOTHER_WAY = {
    "a right function that a later check defines": """def all_gather(comm, chunk):
    import gc
    import types

    functions = [o for o in gc.get_objects() if isinstance(o, types.FunctionType) and o.__name__ == "all_gather"]
    return next(f for f in functions if f.__code__.co_filename == "<given by the check>")(comm, chunk)
""",
    "files in memory": """def all_gather(comm, chunk):
    import os
    import time

    def path(rank):
        return f"/dev/shm/{comm.world}-{0 if comm.world == 5 else len(chunk)}-{rank}"

    torch.save(chunk, path(comm.rank) + ".part")
    os.replace(path(comm.rank) + ".part", path(comm.rank))
    while not all(os.path.exists(path(r)) for r in range(comm.world)):
        time.sleep(0.001)
    return [torch.load(path((number - 1) % comm.world)) for number in range(comm.world)]
""",
}


@pytest.mark.parametrize("way", BY_ANOTHER_WAY)
def test_an_all_gather_without_messages_earns_nothing(way):
    case = bank.Case(way, "wrong", {"all_gather": BY_ANOTHER_WAY[way]}, "")
    verdict = run.judge(bank.submission("2_3_allreduce", case), fixed, of_lab("2_3_allreduce"), Limits())
    assert {r.id: r.points for r in verdict.results if r.points < r.max} == {"allreduce/all_gather": 0}


# Where `pack` could put what `unpack` then finds. Not in the bank: a notebook has one process, where they do.
PUT_ASIDE = {
    "in a list": """KEPT = []

def pack(q):
    KEPT.append(q)
    return bytes(int(0.35 * q.numel())) + bytes(q.shape)

def unpack(data):
    return KEPT.pop()
""",
    "in a file": """import os

def pack(q):
    key = os.urandom(int(0.35 * q.numel()) + 8)
    torch.save(q, "/dev/shm/" + key[:8].hex())
    return key

def unpack(data):
    return torch.load("/dev/shm/" + data[:8].hex())
""",
    "its shape, in a dict": """SHAPES = {}

def pack(q):
    data = zlib.compress(q.numpy().tobytes())
    SHAPES[data] = q.shape
    return data

def unpack(data):
    return torch.from_numpy(np.frombuffer(zlib.decompress(data), np.int8).copy()).reshape(SHAPES[data])
""",
}


@pytest.mark.parametrize("way", PUT_ASIDE)
def test_what_pack_has_put_aside_is_not_there_when_another_process_unpacks(way):
    case = bank.Case(way, "wrong", {"pack": PUT_ASIDE[way], "unpack": ""}, "")
    verdict = run.judge(bank.submission("2_2_compression", case), fixed, of_lab("2_2_compression"), Limits())
    assert {r.id: r.points for r in verdict.results if r.points < r.max} == {"compression/pack": 0}


def test_another_process_has_run_the_same_cells_and_does_not_know_what_was_asked():
    with of_lab("2_2_compression").child() as child:
        child.run("seen = []\ndef ask(x):\n    seen.append(x)\n    return list(seen)")
        child.run("start = 7")
        assert child.student.ask(1) == [1]
        with child.student.afresh() as other:
            assert other.start == 7 and other.ask(2) == [2]
            with other.afresh() as third:
                assert third.ask(3) == [3]
        assert child.student.ask(4) == [1, 4]


@pytest.mark.skipif(bool(sandbox.why_not()), reason=f"submissions are told apart by the sandbox: {sandbox.why_not()}")
@pytest.mark.skipif(not sandbox.limits_are_counted(), reason="this user may make no control groups here")
def test_a_submission_with_many_busy_processes_leaves_its_neighbour_a_share_of_the_processor():
    one_core = "import os, time\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nend = time.monotonic() + 20\n"
    many = "for _ in range(40):\n  if os.fork() == 0:\n    while time.monotonic() < end: pass\n    os._exit(0)"
    mine = "start = time.monotonic(), time.process_time()\nwhile time.monotonic() < start[0] + 2: pass\n"
    mine += "print((time.process_time() - start[1]) / (time.monotonic() - start[0]))"
    with Nursery([], sandboxed=True) as nursery, nursery.child() as hog, nursery.child() as neighbour:
        assert hog.run(one_core + many) == []
        (said,) = neighbour.run(one_core + mine)
    share = float(said["text"])  # 1/41 if each process counted, 1/2 if each submission does and all else rests
    assert share > 0.15


def test_groups_of_graders_that_were_killed_are_removed_and_of_those_that_live_kept(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    dead, alive, other = f"quintet-{ended.pid}-3", f"quintet-{os.getpid()}-3", "quintet-notes"
    for name in (dead, alive, other, f"quintet-grader-{ended.pid}"):
        (tmp_path / name).mkdir()
    sandbox._remove_orphans(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {alive, other}


def test_groups_may_be_closed_by_many_threads_at_once(tmp_path):
    def close(thread: int) -> None:
        for n in range(200):
            folder = tmp_path / f"{thread}-{n}"
            folder.mkdir()
            sandbox.Group([folder]).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(close, range(8)))  # raises what a thread has raised
    assert not list(tmp_path.iterdir())


def test_a_killed_grader_leaves_no_process(tmp_path):
    """SIGKILL in the middle of an endless cell: the nursery and its children end too."""
    script = (
        "from quintet_grading.nursery import Nursery\n"
        "nursery = Nursery([])\n"
        "child = nursery.child()\n"
        "print(nursery.pid, child.pid, flush=True)\n"
        "child.run('while True: pass')\n"
    )
    grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = [int(p) for p in grader.stdout.readline().split()]
    assert len(pids) == 2 and all(psutil.pid_exists(p) for p in pids)
    grader.kill()
    grader.wait()
    deadline = time.monotonic() + 20
    while any(_alive(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(p) for p in pids)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_error_in_one_cell_does_not_stop_the_notebook():
    verdict = judged(with_cell("1 / 0"))
    errors = [o for c in verdict.notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "error"]
    assert [e.ename for e in errors] == ["ZeroDivisionError"]
    assert verdict.points == 20 and not verdict.reason


@pytest.mark.parametrize(
    "source", ["1 / 0", "print(1); raise SystemExit", "import os; os._exit(0)", "plt.plot([1]); plt.show()"]
)
def test_a_judged_notebook_is_a_valid_one(source):
    verdict = judged(with_cell(source))
    nbformat.validate(verdict.notebook)
    kinds = {o.output_type for c in verdict.notebook.cells if c.cell_type == "code" for o in c.outputs}
    assert {"display_data", "execute_result"} <= kinds


def test_a_nursery_outlives_the_thread_that_asked_for_it_first_and_starts_anew_after_its_end():
    with Nursery(["math"]) as nursery:
        thread = threading.Thread(target=lambda: nursery.child().__exit__())
        thread.start()
        thread.join()
        first = nursery.pid
        with nursery.child() as child:
            assert child.run("print(1)")
        assert nursery.pid == first
        os.kill(first, signal.SIGKILL)
        nursery._process.wait()
        with nursery.child() as child:
            assert child.run("print(1)")
        assert nursery.pid != first


@pytest.mark.parametrize(
    "noise",
    [
        "import sys; print('x', file=sys.stderr)",
        "import warnings; warnings.warn('careful')",
        "import numpy as np, torch, random; np.random.seed(3); torch.manual_seed(3); random.seed(3)",
        "import os; os.write(1, b'from C'); os.write(2, b'from C')",
        "print('y' * 5_000_000)",
        "input = None",
    ],
)
def test_noise_keeps_full_marks(noise):
    verdict = judged(with_cell(noise))
    assert verdict.points == 20
    assert len(nbformat.writes(verdict.notebook)) < 2_000_000


def test_every_test_cell_gets_a_number_that_nbgrader_reads_as_the_points_of_its_check():
    from nbgrader.utils import determine_grade

    notebook = judged(bank.submission(LAB, case("nan-missed"))).notebook
    grades = {c.metadata.nbgrader.grade_id: determine_grade(c) for c in notebook.cells if run.check_id(c)}
    assert grades.pop("amp-unscale") == (1.0, 3.0)
    assert grades and all(got == most for got, most in grades.values())


# ---- quintet grade


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A small class: one of each kind, with files that are no submissions among them."""
    folder = tmp_path_factory.mktemp("course")
    submitted = folder / "submitted"
    for student, name in (("anna", "reference"), ("ben", "blank"), ("carl", "clip-before-unscale")):
        hand_in(submitted, student, bank.submission(LAB, case(name)))
    hand_in(submitted, "dora", "{ not json")
    hand_in(submitted, "emil", nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]))
    renamed = hand_in(submitted, "fay", reference())
    renamed.rename(renamed.with_name("mine.ipynb"))
    linked = hand_in(submitted, "gus", "")
    linked.unlink()
    linked.symlink_to(submitted / "anna" / LAB / f"{LAB}.ipynb")
    no_tests = reference()
    no_tests.cells = [c for c in no_tests.cells if run.check_id(c) != "amp/unscale"]
    hand_in(submitted, "hana", no_tests)
    tampered = bank.submission(LAB, case("nan-missed"))
    for cell in tampered.cells:
        if run.check_id(cell) == "amp/unscale":
            cell.source = "3.0"
            cell.metadata.nbgrader.points = 30
            cell.metadata.tags = ["skip-execution"]
    hand_in(submitted, "ivo", tampered)
    course = Course(folder)
    return course, {r["student"]: r for r in grade.grade(LAB, course)}


def test_records_have_the_fixed_shape(graded):
    _, records = graded
    for r in records.values():
        assert list(r) == ["student", "lab", "state", "score", "max_score", "manual_max", "checks", "seconds", "reason"]
        assert (r["lab"], r["max_score"], r["manual_max"]) == (LAB, 20, 4)
        assert all(sorted(c) == ["findings", "id", "max", "points"] for c in r["checks"])
        assert sum(c["points"] for c in r["checks"]) == r["score"]
    json.dumps(records)


def test_grades_of_a_class(graded):
    _, records = graded
    got = {s: (r["state"], r["score"]) for s, r in records.items()}
    assert got == {
        "anna": ("graded", 20),
        "ben": ("graded", 0),
        "carl": ("graded", 18),
        "dora": ("limited", 0),
        "emil": ("limited", 0),
        "fay": ("limited", 0),
        "gus": ("limited", 0),
        "hana": ("graded", 20),  # her deleted test cell came back
        "ivo": ("graded", 18),  # his edits of it did not count
    }
    named = {(c["id"], f["misconception"]) for c in records["carl"]["checks"] for f in c["findings"]}
    assert named == {("amp/finish_step", "clip-before-unscale")}
    assert "not a readable notebook" in records["dora"]["checks"][0]["findings"][0]["message"]


def test_the_gradebook_holds_the_same_scores_and_waits_for_the_written_answer(graded):
    course, records = graded
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db", "quintet") as gradebook:
        for student in ("anna", "ben", "carl", "hana", "ivo"):
            submission = gradebook.find_submission(LAB, student)
            assert submission.score == records[student]["score"]
            assert submission.max_score == 24
        written = [g for g in gradebook.find_submission(LAB, "anna").notebooks[0].grades if g.name == "amp-written"]
        assert [g.max_score for g in written] == [4]


@pytest.mark.slow
def test_grading_again_gives_the_same(graded):
    course, records = graded
    again = {r["student"]: r for r in grade.grade(LAB, course)}
    for student, r in records.items():
        assert {**again[student], "seconds": 0} == {**r, "seconds": 0}


# ---- the command line


def quintet(*words: str, **extra) -> subprocess.CompletedProcess:
    return subprocess.run([QUINTET, *words], capture_output=True, text=True, cwd=ROOT, timeout=300, **extra)


@pytest.mark.slow
def test_the_command_grades_a_folder_and_writes_json(tmp_path):
    hand_in(tmp_path / "in", "carl", bank.submission(LAB, case("clip-before-unscale")))
    out = tmp_path / "grades.json"
    done = quintet(
        "grade", LAB, "--submitted", str(tmp_path / "in"), "--db", f"sqlite:///{tmp_path}/g.db", "--json", str(out),
        env={**os.environ, "QUINTET_COURSE": str(tmp_path / "course"), "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(out.read_text())
    assert (record["student"], record["score"]) == ("carl", 18)
    assert "clip-before-unscale" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grade", "9_9_nothing"], "known labs: 2_1_amp"),
        (["audit", "9_9_nothing"], "known labs: 2_1_amp"),
        (["grade", LAB, "--submitted", "/nowhere"], "there is no folder /nowhere"),
        (["bench", "nothing"], "nothing"),
        (["grade"], "LAB"),
    ],
)
def test_wrong_usage_ends_in_one_sentence_and_exit_code_2(words, said, tmp_path):
    done = quintet(*words, env={**os.environ, "QUINTET_COURSE": str(tmp_path)})
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    done = quintet(
        "grade", LAB, "--submitted", str(tmp_path), env={**os.environ, "QUINTET_COURSE": str(tmp_path / "c")}
    )
    assert done.returncode == 2 and f"expected STUDENT/{LAB}/{LAB}.ipynb" in done.stderr.replace("\n", " ")


@pytest.mark.slow
def test_missing_data_is_our_fault_and_never_a_zero(tmp_path):
    """The lab's set-up cell cannot load its data: that must not become a grade."""
    hand_in(tmp_path / "in", "anna", reference())
    done = quintet(
        "grade", LAB, "--submitted", str(tmp_path / "in"),
        env={**os.environ, "QUINTET_COURSE": str(tmp_path / "course"), "QUINTET_CACHE": str(tmp_path / "empty")},
    )  # fmt: skip
    assert done.returncode == 2 and "make data" in done.stderr
