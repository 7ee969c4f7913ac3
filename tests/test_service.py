"""A grading service: who may ask, what they get, and that neither side's end loses anything."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cluster
import nbformat
import pytest

from quintet_grading import GradingFault, Refusal, bank, grade, job, rehearsal, sandbox, service
from quintet_grading.course import ROOT, Course
from quintet_grading.record import Journal

LAB = "2_1_amp"
NO_SANDBOX = sandbox.why_not()
needs_sandbox = pytest.mark.skipif(bool(NO_SANDBOX), reason=f"grades submissions: {NO_SANDBOX}")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's place, which only root can")
QUINTET = Path(sys.executable).parent / "quintet"
NOBODY = 65534


@pytest.fixture
def course(tmp_path) -> Course:
    """Two students, and a key that is the same in each course."""
    made = Course(tmp_path / "course")
    made.folder.mkdir()
    (made.folder / "key").write_bytes(b"k" * 32)
    for name in ("clip-before-unscale", "reference"):
        path = made.notebook(name, LAB)
        path.parent.mkdir(parents=True)
        nbformat.write(bank.submission(LAB, next(c for c in bank.cases(LAB) if c.name == name)), path)
    return made


@contextlib.contextmanager
def serving(course: Course, folder: Path, *words: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """The operator's command, once it listens: its address and its process."""
    place = words[1] if words[:1] == ("--socket",) else str(folder / "s")
    words = words if words[:1] == ("--socket",) else ("--socket", place, *words)
    log = folder / f"service-{len(list(folder.glob('service-*')))}.log"
    own = {**os.environ, "QUINTET_COURSE": str(course.folder), **environment}
    with cluster.process([str(QUINTET), "serve", *words], log, own, patience=30, cwd=ROOT) as started:
        cluster.until(lambda: started.poll() is not None or "listening" in log.read_text(), 60, "the service", log)
        assert started.poll() is None, log.read_text()
        yield place, started


def quintet(*words: str, **environment: str) -> subprocess.CompletedProcess:
    own = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run([QUINTET, *words], env=own, capture_output=True, text=True, timeout=300, cwd=ROOT)


def everything(course: Course) -> tuple:
    rows = rehearsal.contents(course.db_url)
    records = [{**r, "seconds": 0} for r in Journal(course.db_url).records(LAB)]
    return {name: all for name, all in rows.items() if name != "quintet_journal"}, records


# ---- questions and answers


def answered(course: Course, monkeypatch, tmp_path, question: dict, users=()) -> dict:
    """What a service in this process says to one question; nothing is graded."""
    monkeypatch.setattr(grade, "grade", lambda labs, course, options, progress: [labs, options.students])
    with service.Service(course, users=users) as served:
        served.listen(str(tmp_path / "s"))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s"))
            job.send(sock, question)
            request = served._requests.get(timeout=10)
            request.tell(served._answer(request))
            return job.receive(sock)


def test_it_grades_the_labs_and_students_that_were_asked_for_and_no_other_course(course, monkeypatch, tmp_path):
    question = {"do": "grade", "labs": [LAB], "students": ["anna"], "submitted": str(course.submitted_folder)}
    ask = lambda **more: answered(course, monkeypatch, tmp_path, {**question, **more})  # noqa: E731
    assert ask() == {"records": [[LAB], ["anna"]]}
    assert "set QUINTET_COURSE" in ask(submitted="/elsewhere")["refused"]
    assert "by name" in ask(students=[{"__class__": "x"}])["refused"]
    assert "another version" in ask(do="run")["refused"]


def test_what_goes_wrong_with_one_question_is_told_and_ends_nothing(course, monkeypatch, tmp_path):
    question = {"do": "grade", "labs": [LAB], "students": None, "submitted": str(course.submitted_folder)}

    def fails(*_):
        raise OSError("no space")

    with service.Service(course) as served:
        served.listen(str(tmp_path / "s"))
        for error, said in ((fails, "no space"), (None, "known labs")):
            if error:
                monkeypatch.setattr(grade, "grade", error)
            else:
                monkeypatch.undo()
                question["labs"] = ["9_9_nothing"]
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(tmp_path / "s"))
                job.send(sock, question)
                request = served._requests.get(timeout=10)
                request.tell(served._answer(request))
                assert said in job.receive(sock)["refused"]


def test_a_peer_that_says_nothing_or_nonsense_holds_up_nobody(course, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "SECONDS", 0.5)
    with service.Service(course) as served:
        served.listen(str(tmp_path / "s"))
        peers = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for peer, said in zip(peers, (b"", b"\0" * 8, b"GET / HTTP/1.1\r\n\r\n"), strict=True):
            peer.connect(str(tmp_path / "s"))
            peer.sendall(said)
        for peer in peers:
            peer.settimeout(10)
            assert peer.recv(1) == b""
            peer.close()
        assert served._requests.empty()


def ask_as_nobody(place: str) -> int:
    """0 where the service refuses, 3 where it waits for more: in a forked child."""
    os.setuid(NOBODY)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(2)
        sock.connect(place)
        with contextlib.suppress(BrokenPipeError):  # it has refused already
            job.send(sock, {"do": "?"})
        try:
            return 0 if "may not grade here" in job.receive(sock)["refused"] else 4
        except TimeoutError:
            return 3


@needs_root
def test_only_those_on_the_list_are_heard(course, tmp_path):
    for users, heard in (([], False), ([NOBODY], True)):
        with service.Service(course, users=users) as served:
            place = f"/tmp/quintet-{os.getpid()}-{heard}"  # where others may go
            served.listen(place)

            if (child := os.fork()) == 0:
                with contextlib.suppress(BaseException):
                    os._exit(ask_as_nobody(place))
                os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (3 if heard else 0)
            if heard:
                assert served._requests.get(timeout=10).message == {"do": "?"}
            assert served._requests.empty()


def test_one_who_is_refused_before_having_asked_is_told_so(course, tmp_path, monkeypatch):
    connect = service._connect

    def slowly(where: str) -> socket.socket:
        sock, ended = connect(where), select.poll()
        ended.register(sock, 0)
        assert ended.poll(10_000), "the service has not closed its end"
        return sock

    monkeypatch.setattr(service, "_connect", slowly)
    with service.Service(course) as served:
        served.users = set()  # not even whose it is
        served.listen(str(tmp_path / "s"))
        with pytest.raises(Refusal, match="may not grade here"):
            service.ask_to_appeal(str(tmp_path / "s"), course, "2_1_amp", "ann")


def test_a_place_that_is_taken_or_no_place_is_refused(course, tmp_path):
    taken = tmp_path / "file"
    taken.write_text("mine")
    with service.Service(course) as one, service.Service(course) as other:
        one.listen(str(tmp_path / "s"))
        for place in (tmp_path / "s", taken, tmp_path / "no" / "s"):
            with pytest.raises(Refusal, match="choose another place"):
                other.listen(str(place))
        with pytest.raises(Refusal, match="is no service's address"):
            other.listen("http://localhost:1")
    assert taken.read_text() == "mine" and not (tmp_path / "s").exists()


def test_a_socket_that_a_killed_service_left_is_taken_over(course, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    with service.Service(course) as served:
        served.listen(str(tmp_path / "s"))


def test_a_service_that_is_not_there_is_our_fault_and_options_that_it_decides_are_refused(course, monkeypatch):
    monkeypatch.setenv("QUINTET_SERVICE", "/nowhere/s")
    with pytest.raises(GradingFault, match="ask its operator"):
        grade.grade(LAB, course)
    with pytest.raises(GradingFault, match="ask its operator"):
        grade.appeal(course, LAB, "anna")
    with pytest.raises(Refusal, match="leave out --scheduler and --unsafe"):
        grade.grade(LAB, course, grade.Options(sandboxed=False))
    monkeypatch.setenv("QUINTET_SERVICE", "ftp://x")
    with pytest.raises(Refusal, match="is no service's address"):
        grade.grade(LAB, course)
    done = quintet("reseed", LAB, QUINTET_COURSE=str(course.folder))
    assert done.returncode == 2 and "operator" in done.stderr


def test_a_user_whom_the_machine_does_not_know_is_refused():
    with pytest.raises(Refusal, match="knows no user nobody-here"):
        service.users(["nobody-here"])
    assert service.users(["root", "1234"]) == [0, 1234]


# ---- whole commands


@needs_sandbox
@pytest.mark.slow
def test_a_class_is_graded_and_appealed_as_without_a_service(course, tmp_path):
    alone = Course(tmp_path / "alone", course.submitted_folder)
    alone.folder.mkdir()
    (alone.folder / "key").write_bytes(b"k" * 32)
    grade.grade(LAB, alone)
    out = tmp_path / "out.json"
    with serving(course, tmp_path) as (place, _):
        mine = {"QUINTET_SERVICE": place, "QUINTET_COURSE": str(course.folder)}
        done = quintet("grade", LAB, "--json", str(out), **mine)
        assert done.returncode == 0, done.stderr
        assert {r["student"]: r["score"] for r in json.loads(out.read_text())} == {
            "clip-before-unscale": 18, "reference": 20,
        }  # fmt: skip
        assert everything(course) == everything(alone)
        done = quintet("appeal", LAB, "reference", **mine)
        assert done.returncode == 0 and "the same" in done.stdout
        done = quintet("appeal", LAB, "nobody", **mine)
        assert done.returncode == 2 and "nothing of nobody is recorded" in done.stderr
        elsewhere = quintet("grade", LAB, "--submitted", str(tmp_path), **mine)
        assert elsewhere.returncode == 2
        from_nbgrader = subprocess.run(
            [QUINTET.with_name("nbgrader"), "autograde", LAB], cwd=ROOT / "grading", env={**os.environ, **mine},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert from_nbgrader.returncode == 0 and "reference: graded, 20 of 20" in from_nbgrader.stderr


@needs_sandbox
@pytest.mark.slow
def test_who_leaves_loses_nothing_and_a_killed_service_is_told_and_goes_on_after_a_new_start(course, tmp_path):
    mine = {"QUINTET_SERVICE": str(tmp_path / "s"), "QUINTET_COURSE": str(course.folder)}
    with serving(course, tmp_path) as (_, started):
        told: list[Exception] = []

        def ask() -> None:
            try:
                service.ask_to_grade(str(tmp_path / "s"), [LAB], course, None)
            except GradingFault as error:
                told.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(3)  # in the middle of its start
        started.send_signal(signal.SIGKILL)
        started.wait(10)
        asking.join(30)
        assert "ask again" in str(told[0])
    with serving(course, tmp_path):
        with service._connect(str(tmp_path / "s")) as sock:  # asks and leaves
            question = {"do": "grade", "labs": [LAB], "students": None, "submitted": str(course.submitted_folder)}
            job.send(sock, question)
        cluster.until(lambda: len(Journal(course.db_url).done(LAB)) == 2, 90, "the class", tmp_path / "service-1.log")
        done = quintet("grade", LAB, **mine)
        assert done.returncode == 0, done.stderr


@needs_sandbox
@pytest.mark.slow
@pytest.mark.skipif(bool(cluster.missing("openssl")), reason="makes certificates with openssl")
def test_over_tls_the_courses_certificate_is_asked_for(course, tmp_path):
    for folder in (tmp_path / "own", tmp_path / "strange"):
        folder.mkdir()
    own, strange = (cluster.certificates(tmp_path / name) for name in ("own", "strange"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"tls://127.0.0.1:{free.getsockname()[1]}"
    mine = {"QUINTET_SERVICE": place, "QUINTET_COURSE": str(course.folder)}
    with serving(course, tmp_path, "--socket", place, **own):
        assert quintet("grade", LAB, **mine, **strange).returncode == 2
        assert not Journal(course.db_url).records(LAB)
        done = quintet("grade", LAB, **mine)
        assert done.returncode == 2 and "QUINTET_TLS_CA" in done.stderr
        done = quintet("grade", LAB, **mine, **own)
        assert done.returncode == 0, done.stderr
