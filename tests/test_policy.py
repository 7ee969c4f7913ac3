"""A course's policy: what course.toml may say, that mistakes in it are named, attempts, seeds, versions."""

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet_grading import Refusal, policy
from quintet_grading.job import Limits
from quintet_grading.policy import Policy, reseed, seed_key, seeds, version

LAB = "2_1_amp"
KEY = bytes(range(32))
DUE = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
EXAMPLE = """
[limits]
total_seconds = 900
processes = 64

[labs.2_1_amp]
due = 2026-12-01T23:59:00+01:00
attempts = 2

[students.anna]
extra_time = 1.5

[students.anna.extensions]
2_1_amp = 2026-12-03T23:59:00+01:00

[students.anna.attempts]
2_1_amp = 5

[students."ben.b".extensions]
2_1_amp = 1.5
"""


@pytest.fixture
def course(tmp_path):
    """A function that writes course.toml and loads it."""

    def load(toml: str) -> Policy:
        (tmp_path / "course.toml").write_text(toml, encoding="utf-8")
        return Policy.load(tmp_path)

    return load


# ---- course.toml


def test_without_a_file_there_are_no_deadlines_three_attempts_and_the_ordinary_limits(tmp_path):
    found = Policy.load(tmp_path)
    assert found.limits("anna", LAB) == Limits()
    assert found.attempts("anna", LAB) == 3
    assert found.deadline(LAB) is found.due("anna", LAB) is None
    assert found.extension("anna", LAB) == timedelta()


def test_limits_deadline_and_attempts_hold_for_everybody(course):
    found = course(EXAMPLE)
    assert found.limits("carl", LAB) == Limits(total_seconds=900.0, processes=64)
    assert found.attempts("carl", LAB) == 2
    assert found.due("carl", LAB) == found.deadline(LAB) == DUE
    assert found.extension("carl", LAB) == timedelta()


def test_extra_time_extensions_and_attempts_hold_for_one_student(course):
    found = course(EXAMPLE)
    assert found.limits("anna", LAB) == Limits(total_seconds=900.0, processes=64).slower(1.5)
    assert found.limits("anna", LAB).total_seconds == 1350
    assert found.attempts("anna", LAB) == 5
    assert found.extension("anna", LAB) == timedelta(days=2)
    assert found.due("anna", LAB) == DUE + timedelta(days=2)
    assert found.extension("ben.b", LAB) == timedelta(days=1.5)
    assert found.deadline(LAB) == DUE, "an extension does not move the lab's deadline"


def test_the_example_in_the_docstring_is_accepted(course):
    example = policy.__doc__.split("stand in quotes):\n")[1].split("\n**")[0]
    found = course(example)
    assert (found.attempts("anna", LAB), found.attempts("ben", LAB)) == (5, 3)
    assert found.extension("anna", LAB) == timedelta(days=2)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("labs = ", "not a readable TOML file"),
        ("due = 1", "there is no due; expected one of: limits, labs, students"),
        ("labs = 3", "[labs] must be a table, got 3"),
        ("[labs]\n2_1_amp = 3", "[labs.2_1_amp] must be a table, got 3"),
        ("[labs.9_9_x]", "there is no labs.9_9_x; expected one of: 2_1_amp"),
        ("[labs.2_1_amp]\ndeu = 1", "there is no labs.2_1_amp.deu; expected one of: due, attempts"),
        ("[labs.2_1_amp]\ndue = 2026-12-01T23:59:00", "labs.2_1_amp.due must be a date and time with its offset"),
        ("[labs.2_1_amp]\ndue = 2026-12-01", "labs.2_1_amp.due must be a date and time with its offset"),
        ("[labs.2_1_amp]\ndue = 9999-12-31T23:59:59-05:00", "labs.2_1_amp.due must be"),
        ("[labs.2_1_amp]\nattempts = 0", "labs.2_1_amp.attempts must be a whole number of at least 1, got 0"),
        ("[labs.2_1_amp]\nattempts = true", "labs.2_1_amp.attempts must be a whole number"),
        ("[limits]\nwall = 3", "there is no limits.wall; expected one of: cell_seconds"),
        ("[limits]\ntotal_seconds = -1", "limits.total_seconds must be a number of seconds, from 0.1"),
        ("[limits]\ntotal_seconds = nan", "limits.total_seconds must be a number of seconds"),
        ("[limits]\nprocesses = 1.5", "limits.processes must be a whole number"),
        ("[students.anna]\nextra_time = 0.5", "students.anna.extra_time must be a factor, from 1 to 100, got 0.5"),
        ("[students.anna]\nextra_time = inf", "students.anna.extra_time must be a factor"),
        ("[students.anna]\nextra = 2", "there is no students.anna.extra"),
        ("[students.anna.extensions]\n9_9_x = 2", "there is no students.anna.extensions.9_9_x"),
        ("[students.anna.extensions]\n2_1_amp = 2", "expected labs.2_1_amp.due"),
        (EXAMPLE.replace("= 1.5\n\n", "= 1.5\n").replace("2026-12-03", "2026-11-03"), "must be after the lab is due"),
        (
            EXAMPLE.replace("2_1_amp = 1.5", "2_1_amp = -1"),
            "students.ben.b.extensions.2_1_amp must be a number of days",
        ),
        (EXAMPLE.replace("2_1_amp = 1.5", "2_1_amp = 'two'"), "ben.b.extensions.2_1_amp must be a date and time"),
    ],
)
def test_a_mistake_is_refused_in_one_sentence_with_file_key_and_what_is_expected(course, tmp_path, toml, said):
    with pytest.raises(Refusal) as refused:
        course(toml)
    message = str(refused.value)
    assert said in message and str(tmp_path / "course.toml") in message
    assert "\n" not in message


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_course_toml_loads_or_is_refused(tmp_path_factory, raw):
    folder = tmp_path_factory.getbasetemp()
    (folder / "course.toml").write_bytes(raw)
    try:
        Policy.load(folder)
    except Refusal as refused:
        assert "course.toml" in str(refused)


# ---- seeds


def drawn(key: bytes, id: str = "amp/unscale") -> int:
    return int(seeds(key)(id).integers(2**60))


def test_equal_work_gets_equal_inputs_and_a_rerun_repeats_them(course):
    one, again = seed_key(KEY, LAB, course(EXAMPLE)), seed_key(KEY, LAB, course(EXAMPLE))
    assert one == again and len(one) == 32
    assert drawn(one) == drawn(again)
    no_students = EXAMPLE[: EXAMPLE.index("[students.anna]")]
    assert seed_key(KEY, LAB, course(no_students)) == one, "extensions and extra time change no inputs"


def test_one_deadline_in_two_zones_has_one_key(course):
    one = seed_key(KEY, LAB, course("[labs.2_1_amp]\ndue = 2026-12-01T23:59:00+01:00"))
    assert seed_key(KEY, LAB, course("[labs.2_1_amp]\ndue = 2026-12-01T22:59:00Z")) == one


def test_key_lab_deadline_check_and_reseeding_each_change_the_inputs(course, tmp_path):
    found = course(EXAMPLE)
    moved = course(EXAMPLE.replace("2026-12-01", "2026-12-02"))
    reseed(tmp_path, LAB)
    reseeded = course(EXAMPLE)
    one = seed_key(KEY, LAB, found)
    values = [
        drawn(one),
        drawn(one, "amp/zeroed"),
        drawn(seed_key(b"x" * 32, LAB, found)),
        drawn(seed_key(KEY, "2_2_x", found)),
        drawn(seed_key(KEY, LAB, moved)),
        drawn(seed_key(KEY, LAB, reseeded)),
    ]
    assert len(set(values)) == len(values)


def test_reseeding_counts_for_its_lab_and_leaves_no_half_written_file(tmp_path):
    assert [reseed(tmp_path, LAB), reseed(tmp_path, LAB)] == [1, 2]
    assert Policy.load(tmp_path).reseeds == {LAB: 2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seeds.json", "seeds.lock"]
    with pytest.raises(Refusal, match="known labs"):
        reseed(tmp_path, "9_9_x")


def test_a_disk_that_fails_while_reseeding_leaves_the_old_count(tmp_path, monkeypatch):
    reseed(tmp_path, LAB)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(policy.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        reseed(tmp_path, LAB)
    assert Policy.load(tmp_path).reseeds == {LAB: 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seeds.json", "seeds.lock"]


def test_two_who_reseed_at_once_both_count(tmp_path):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.starmap_async(reseed, [(tmp_path, LAB)] * 20, chunksize=1).get(timeout=30)
    assert sorted(found) == list(range(1, 21))
    assert Policy.load(tmp_path).reseeds == {LAB: 20}


@pytest.mark.parametrize("text", ["{", "[]", '{"2_1_amp": 0}', '{"2_1_amp": "1"}', '{"2_1_amp": true}'])
def test_a_broken_seeds_json_is_refused_and_never_taken_for_none(tmp_path, text):
    (tmp_path / "seeds.json").write_text(text)
    with pytest.raises(Refusal, match="seeds.json"):
        Policy.load(tmp_path)


# ---- version


def test_the_version_is_stable_and_gives_the_key_away_to_nobody():
    assert version(LAB, KEY) == version(LAB, KEY) != version(LAB, b"x" * 32)
    assert len(version(LAB, KEY)) == 64 and KEY.hex() not in version(LAB, KEY)


def test_limits_are_part_of_the_version():
    assert version(LAB, KEY, Limits()) == version(LAB, KEY)
    assert version(LAB, KEY, Limits().slower(1.5)) != version(LAB, KEY)


@pytest.mark.parametrize(
    "changed",
    [
        "labs/2_1_amp/2_1_amp.ipynb",
        "lib/quintet/checks/amp.py",
        "lib/quintet/checks/near.py",
        "lib/quintet/checks/__init__.py",
        "lib/quintet/amp.py",
        "lib/quintet/student/wire.py",
        "requirements.lock",
    ],
)
def test_each_file_that_decides_the_grade_changes_the_version(changed, monkeypatch):
    read = policy.Path.read_bytes
    before = version(LAB, KEY)
    touched = policy.ROOT / changed
    monkeypatch.setattr(policy.Path, "read_bytes", lambda path: read(path) + (b"#" if path == touched else b""))
    assert version(LAB, KEY) != before


def test_what_decides_no_grade_leaves_the_version_alone(monkeypatch):
    read = policy.Path.read_bytes
    before, seen = version(LAB, KEY), []
    monkeypatch.setattr(policy.Path, "read_bytes", lambda path: seen.append(path.name) or read(path))
    assert version(LAB, KEY) == before
    assert {"amp.py", "2_1_amp.ipynb"} <= set(seen) and not {"show.py", "README.md", "notebook.py"} & set(seen)


def test_a_lab_that_was_not_generated_is_our_fault_and_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setattr(policy, "release", lambda lab: policy.ROOT / "labs" / lab / "gone.ipynb")
    with pytest.raises(Refusal, match="gone.ipynb is missing; run `make labs`"):
        version(LAB, KEY)
