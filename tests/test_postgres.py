"""The same record in a real PostgreSQL, also when the server goes away in the middle."""

import time
from concurrent.futures import wait

import pytest

from quintet_grading import GradingFault, Refusal, record, rehearsal
from quintet_grading.course import Course
from quintet_grading.record import Journal, Writer

LAB = "2_1_amp"
OUTAGE = "import main; from quintet_grading import gradebook; gradebook.OUTAGE_SECONDS = 1;"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(rehearsal.postgres_programs() is None, reason=rehearsal.NO_POSTGRES),
]


@pytest.fixture(scope="module")
def server():
    with rehearsal.postgres() as made:
        yield made


@pytest.fixture
def course(server, tmp_path) -> Course:
    """A course with a database of its own on the server, which knows the lab."""
    name = f"course_{tmp_path.name[-40:].lower().replace('-', '_')}"
    server._run("createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", name)
    made = Course(tmp_path / "course", db=server.url.rsplit("/", 1)[0] + f"/{name}")
    with Writer(made) as writer:
        writer.register(LAB).result(60)
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """In SQLite: the two databases hold the same rows."""
    course, pairs = Course(tmp_path_factory.mktemp("sqlite")), rehearsal.some(LAB, 30)
    with Writer(course) as writer:
        writer.register(LAB).result(60)
        wait([writer.put(*pair) for pair in pairs], 120)
    return pairs, all_of(course)


def all_of(course: Course) -> tuple:
    return rehearsal.contents(course.db_url), rehearsal.files(course), Journal(course.db_url).records(LAB)


def test_a_server_that_is_restarted_in_the_middle_is_waited_for_and_nothing_is_lost(server, course, undisturbed):
    pairs, expected = undisturbed
    with Writer(course) as writer:
        futures = []
        for at, pair in enumerate(pairs):
            futures.append(writer.put(*pair))
            if at in (5, 15, 25):
                futures[-3].result(60)
                server.stop("immediate")
                if at == 15:
                    time.sleep(2)
                server.start()
        rows = [f.result(120) for f in futures]
    assert [r["key"] for r in rows] == [j.key for j, _ in pairs]
    assert all_of(course) == expected


def test_a_server_that_stays_away_is_our_fault_and_a_rerun_completes(server, course, undisturbed, monkeypatch):
    pairs, expected = undisturbed
    short = record.START.replace("import main;", OUTAGE)
    monkeypatch.setattr(record, "START", short)
    with Writer(course) as writer:
        writer.put(*pairs[0]).result(60)
        server.stop("immediate")
        start = time.monotonic()
        futures = [writer.put(*pair) for pair in pairs[1:]]
        wait(futures, 60)
        assert time.monotonic() - start < 30, "only the first one waits"
        assert all(isinstance(f.exception(), GradingFault) for f in futures)
        server.start()
        assert writer.put(*pairs[1]).result(60)["key"] == pairs[1][0].key
    done = Journal(course.db_url).done(LAB)
    with Writer(course) as writer:
        wait([writer.put(*pair) for pair in pairs if pair[0].key not in done], 120)
    assert all_of(course) == expected


def test_a_second_machine_on_the_same_database_is_refused(course, tmp_path):
    with Writer(course) as first:
        first.register(LAB).result(60)
        with (
            Writer(Course(tmp_path / "elsewhere", db=course.db_url)) as second,
            pytest.raises(Refusal, match="another machine"),
        ):
            second.register(LAB).result(60)
