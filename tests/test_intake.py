"""Intake: whatever is in a student's folder becomes a clean notebook or a reason, and stops nothing.

Rows of nbgrader's faults that are reversed here carry "fault" in the test's name.
"""

import copy
import json
import os
import random
import socket
import stat
import time
import zipfile
from datetime import UTC, datetime
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import determine_grade, parse_utc

from quintet_grading import GradingFault, Refusal, intake
from quintet_grading.course import Course, release
from quintet_grading.intake import Rejected, clean, moment, read_file, submission, unpack

LAB = "2_1_amp"
RELEASE = nbformat.read(release(LAB), as_version=4)
OURS = [c for c in RELEASE.cells if "nbgrader" in c.metadata]
LOCKED = {c.metadata.nbgrader.grade_id: c.source for c in OURS if not c.metadata.nbgrader.solution}
SOLUTIONS = {c.metadata.nbgrader.grade_id: c.source for c in OURS if c.metadata.nbgrader.solution}
WRITTEN = "amp-written"
VALIDATOR = MetadataValidator()


def handed_in() -> dict:
    """An honest submission, as plain JSON: each solution is a source of its own."""
    notebook = copy.deepcopy(RELEASE)
    for cell in notebook.cells:
        if name(cell) in SOLUTIONS:
            cell.source = f"# {name(cell)}, written by a student"
    return json.loads(json.dumps(notebook))


def name(cell: dict) -> str | None:
    return cell["metadata"].get("nbgrader", {}).get("grade_id")


def at(notebook: dict, grade_id: str) -> int:
    return next(i for i, c in enumerate(notebook["cells"]) if name(c) == grade_id)


def get(notebook: dict, grade_id: str) -> dict:
    return notebook["cells"][at(notebook, grade_id)]


def own(source: str = "own = 1", kind: str = "code", **more) -> dict:
    cell = {"cell_type": kind, "id": "x", "metadata": {}, "source": source, **more}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def cleaned(notebook: dict) -> intake.Intake:
    found = clean(json.dumps(notebook).encode(), RELEASE)
    assert_in_order(found)
    return found


def assert_in_order(found: intake.Intake) -> None:
    """What holds for every result: sound for nbformat and nbgrader, locked cells as released, nothing of the student's
    but sources."""
    assert isinstance(found, intake.Intake) and bool(found.reason) == (found.notebook is None)
    assert len(found.notes) <= intake.MAX_NOTES + 1 and all(0 < len(n) < 200 and "\n" not in n for n in found.notes)
    if found.notebook is None:
        assert found.text == "" and "\n" not in found.reason and len(found.reason) < 300
        return
    nbformat.validate(json.loads(found.text))
    assert len({c.id for c in found.notebook.cells}) == len(found.notebook.cells)
    VALIDATOR.validate_nb(found.notebook)
    assert nbformat.reads(found.text, as_version=4) == found.notebook
    assert found.text.encode("utf-8") and "\0" not in found.text
    cells = {c.metadata.nbgrader.grade_id: c for c in found.notebook.cells if "nbgrader" in c.metadata}
    assert {n: c.source for n, c in cells.items() if n in LOCKED} == LOCKED
    assert set(cells) == set(LOCKED) | set(SOLUTIONS)
    assert {c.id: c.metadata for c in found.notebook.cells if c.metadata} == {
        c.id: c.metadata for c in RELEASE.cells if c.metadata
    }
    assert found.notebook.metadata == RELEASE.metadata
    assert all(c.outputs == [] and c.execution_count is None for c in found.notebook.cells if c.cell_type == "code")


LATER = [n for n in list(LOCKED)[list(LOCKED).index("amp-unscale") + 1 :] if n.startswith("amp-")]  # tests


def order(found: intake.Intake) -> list[str]:
    return [name(c) or c.source for c in found.notebook.cells]


# ---- an honest submission


def test_an_honest_submission_keeps_its_work_and_gets_no_notes():
    found = cleaned(handed_in())
    assert found.notes == ()
    assert {n: get(found.notebook, n).source for n in SOLUTIONS} == {
        n: f"# {n}, written by a student" for n in SOLUTIONS
    }
    assert [c.id for c in found.notebook.cells] == [c.id for c in RELEASE.cells]


def test_the_released_lab_passes_unchanged():
    assert cleaned(json.loads(nbformat.writes(RELEASE))).notebook == RELEASE


def test_own_cells_stay_where_they_stood_as_ordinary_cells_with_fresh_ids():
    notebook = handed_in()
    i = at(notebook, "unscale")
    notebook["cells"][i:i] = [own("helper = 1"), own("# aside", "markdown"), own("raw", "raw")]
    found = cleaned(notebook)
    own_cells = found.notebook.cells[i : i + 3]
    assert [(c.cell_type, c.source, dict(c.metadata)) for c in own_cells] == [
        ("code", "helper = 1", {}), ("markdown", "# aside", {}), ("raw", "raw", {})
    ]  # fmt: skip
    assert len({c.id for c in found.notebook.cells}) == len(found.notebook.cells)
    assert found.notes == ()


def test_outputs_and_saved_state_are_gone():
    notebook = handed_in()
    notebook["metadata"] |= {"widgets": {"a": 1}, "kernelspec": {"name": "bash", "display_name": "x"}}
    get(notebook, "amp-zeroed")["outputs"] = [
        {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
    ]
    assert cleaned(notebook).notebook == cleaned(handed_in()).notebook


def test_source_as_lines_is_the_same_as_source_as_text():
    notebook = handed_in()
    get(notebook, "unscale")["source"] = ["a = 1\n", "b = 2"]
    assert get(cleaned(notebook).notebook, "unscale").source == "a = 1\nb = 2"


def test_equal_files_give_equal_text():
    raw = json.dumps(handed_in()).encode()
    assert clean(raw, RELEASE).text == clean(raw, copy.deepcopy(RELEASE)).text != ""


def test_a_picture_in_a_written_answer_stays_and_other_attachments_do_not():
    notebook = handed_in()
    pictures = {"plot.png": {"image/png": "aGk="}, "x.svg": {"image/svg+xml": "<svg/>"}, "y": {"image/png": "<script>"}}
    get(notebook, WRITTEN)["attachments"] = pictures
    assert get(cleaned(notebook).notebook, WRITTEN).attachments == {"plot.png": {"image/png": "aGk="}}


def test_pictures_larger_than_what_is_taken_are_left_out_and_the_words_stay(monkeypatch):
    monkeypatch.setattr(intake, "MAX_PICTURE_CHARS", 3)
    notebook = handed_in()
    get(notebook, WRITTEN)["attachments"] = {"plot.png": {"image/png": "aGk="}}
    found = cleaned(notebook)
    assert "attachments" not in get(found.notebook, WRITTEN) and "written by" in get(found.notebook, WRITTEN).source
    assert any("lost its pictures" in n for n in found.notes)


def test_cell_ids_that_an_editor_has_dropped_cost_nothing():
    """Format 4.0 to 4.4, as some editors save it: no ids, tags and nbgrader's metadata are kept."""
    notebook = handed_in()
    for cell in notebook["cells"]:
        del cell["id"]
    parameters = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    parameters["source"] = 'SCALE = "full"'
    notebook["nbformat_minor"] = 2
    found = cleaned(notebook)
    assert [c.id for c in found.notebook.cells] == [c.id for c in RELEASE.cells]
    assert found.notebook.cells[2].source == 'SCALE = "full"' and found.notes == ()


def test_metadata_that_a_tool_has_dropped_cost_nothing():
    notebook = handed_in()
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    assert cleaned(notebook).notebook == cleaned(handed_in()).notebook


def test_a_deleted_parameters_cell_comes_back_and_carries_its_tag():
    notebook = handed_in()
    notebook["cells"] = [c for c in notebook["cells"] if "parameters" not in c["metadata"].get("tags", [])]
    found = cleaned(notebook)
    assert found.notebook.cells[2] == RELEASE.cells[2]


# ---- moved, split, merged, deleted


def test_a_split_solution_keeps_both_halves_before_its_test():
    notebook = handed_in()
    i = at(notebook, "unscale")
    half = copy.deepcopy(notebook["cells"][i]) | {"id": "new", "source": "first = 1"}
    notebook["cells"].insert(i, half)  # JupyterLab puts the first half into a new cell with the same metadata
    found = cleaned(notebook)
    sources = [c.source for c in found.notebook.cells]
    assert sources[i : i + 2] == ["first = 1", "# unscale, written by a student"]
    assert at(found.notebook, "amp-unscale") == i + 2
    assert any("unscale is there 2 times" in n for n in found.notes)


def test_a_split_solution_whose_test_was_deleted_gets_the_test_behind_both_halves():
    notebook = handed_in()
    i = at(notebook, "unscale")
    notebook["cells"].insert(i, copy.deepcopy(notebook["cells"][i]) | {"source": "first = 1"})
    del notebook["cells"][at(notebook, "amp-unscale")]
    assert at(cleaned(notebook).notebook, "amp-unscale") == i + 2


def test_a_solution_merged_into_another_is_not_overwritten_by_a_stub():
    notebook = handed_in()
    both = get(notebook, "unscale")["source"] + "\n\n" + get(notebook, "next_scale")["source"]
    get(notebook, "unscale")["source"] = both
    del notebook["cells"][at(notebook, "next_scale")]
    found = cleaned(notebook)
    assert get(found.notebook, "unscale").source == both
    assert get(found.notebook, "next_scale").source == ""
    assert at(found.notebook, "next_scale") < at(found.notebook, "amp-next_scale")


def test_a_solution_merged_into_its_locked_test_stays_before_it():
    notebook = handed_in()
    test = get(notebook, "amp-unscale")
    test["source"] = "def unscale(): ...\n\n" + test["source"] + "\n\nafter = 1"
    del notebook["cells"][at(notebook, "unscale")]
    found = cleaned(notebook)
    i = at(found.notebook, "amp-unscale")
    assert [c.source for c in found.notebook.cells[i - 2 : i]] == ["def unscale(): ...", ""]
    assert found.notebook.cells[i + 1].source == "after = 1"


def test_an_answer_written_into_a_copy_of_the_cell_is_the_one_that_is_graded():
    notebook = handed_in()
    i = at(notebook, WRITTEN)
    get(notebook, WRITTEN)["source"] = SOLUTIONS[WRITTEN]
    notebook["cells"].insert(i + 1, copy.deepcopy(notebook["cells"][i]) | {"source": "my answer", "id": "b"})
    assert get(cleaned(notebook).notebook, WRITTEN).source == "my answer"


def test_the_last_copy_of_a_test_counts_so_that_work_between_two_copies_does():
    notebook = handed_in()
    notebook["cells"] += [own("unscale = repaired"), copy.deepcopy(get(notebook, "amp-unscale"))]
    assert order(cleaned(notebook))[-len(LATER) - 2 :] == ["unscale = repaired", "amp-unscale", *LATER]


def test_a_test_moved_before_its_solution_goes_back_behind_it():
    notebook = handed_in()
    notebook["cells"].insert(0, notebook["cells"].pop(at(notebook, "amp-unscale")))
    found = cleaned(notebook)
    assert order(found) == order(cleaned(handed_in()))
    assert any("moved back" in n for n in found.notes)


def test_a_set_up_moved_behind_the_solutions_that_need_it_goes_back():
    notebook = handed_in()
    notebook["cells"].append(notebook["cells"].pop(at(notebook, "setup")))
    assert order(cleaned(notebook)) == order(cleaned(handed_in()))


def test_solutions_in_an_order_of_the_students_own_stay_so_and_tests_come_after_what_they_need():
    notebook = handed_in()
    moved = notebook["cells"].pop(at(notebook, "zeroed"))
    notebook["cells"].append(moved)
    found = cleaned(notebook)
    assert [n for n in order(found) if n in SOLUTIONS][-1] == "zeroed"
    tests = [n for n in order(found) if n in LOCKED and n not in ("setup", "real-gradients")]
    assert all(at(found.notebook, n) > at(found.notebook, "zeroed") for n in tests)
    assert tests == [n for n in LOCKED if n in tests]


def test_a_test_moved_down_behind_a_later_repair_stays_there():
    notebook = handed_in()
    test = notebook["cells"].pop(at(notebook, "amp-unscale"))
    notebook["cells"] += [own("unscale = repaired"), test]
    assert order(cleaned(notebook))[-len(LATER) - 2 :] == ["unscale = repaired", "amp-unscale", *LATER]


def test_a_later_test_moved_before_an_earlier_one_goes_back():
    """It gives right versions of earlier steps: an earlier test must not find them."""
    notebook = handed_in()
    later = notebook["cells"].pop(at(notebook, LATER[-1]))
    notebook["cells"].insert(at(notebook, "amp-zeroed"), later)
    notebook["cells"] = [notebook["cells"].pop(at(notebook, n)) for n in SOLUTIONS if n != WRITTEN] + notebook["cells"]
    tests = [n for n in order(cleaned(notebook)) if n.startswith("amp-") and n in LOCKED]
    assert tests == [n for n in LOCKED if n in tests] and len(tests) == 6


@pytest.mark.parametrize("grade_id", [*LOCKED, *SOLUTIONS])
def test_fault_a_deleted_cell_comes_back_where_it_was(grade_id):
    notebook = handed_in()
    del notebook["cells"][at(notebook, grade_id)]
    found = cleaned(notebook)
    assert order(found) == order(cleaned(handed_in()))
    assert [n for n in found.notes if n.startswith(f"{grade_id} was missing")] == list(found.notes)


def test_a_deleted_written_answer_is_not_answered_for_nbgrader():
    notebook = handed_in()
    del notebook["cells"][at(notebook, WRITTEN)]
    assert determine_grade(get(cleaned(notebook).notebook, WRITTEN)) == (0, 4)


def test_a_changed_locked_cell_is_as_released_again_and_noted():
    notebook = handed_in()
    get(notebook, "amp-unscale")["source"] = "3.0"
    found = cleaned(notebook)
    assert found.notes == ("amp-unscale is locked and was changed; it counts as it was released.",)
    assert "3.0" not in [c.source for c in found.notebook.cells]


@pytest.mark.parametrize("kind", ["code", "markdown", "raw"])
def test_changed_cell_types_are_put_right(kind):
    notebook = handed_in()
    for cell in notebook["cells"]:
        if name(cell):
            cell["cell_type"] = kind
    found = cleaned(notebook)
    assert {name(c): c.cell_type for c in found.notebook.cells} == {name(c): c.cell_type for c in RELEASE.cells}
    assert get(found.notebook, "unscale").source == "# unscale, written by a student"


@pytest.mark.parametrize("kind", [None, "heading", 3, ["code"]])
def test_a_cell_of_no_type_is_left_out_with_a_note_and_the_rest_counts(kind):
    notebook = handed_in()
    notebook["cells"][at(notebook, "unscale")]["cell_type"] = kind
    found = cleaned(notebook)
    assert any("was left out" in n for n in found.notes)
    assert get(found.notebook, "zeroed").source == "# zeroed, written by a student"


# ---- nbgrader's faults


def test_fault_skip_execution_tags_vanish_and_are_noted():
    notebook = handed_in()
    for cell in notebook["cells"]:
        cell["metadata"]["tags"] = ["skip-execution", "parameters"]
    found = cleaned(notebook)
    assert "skip-execution" not in found.text
    assert sum("skip-execution" in n for n in found.notes) >= 20
    assert [c.id for c in found.notebook.cells if "parameters" in c.metadata.get("tags", [])] == ["parameters"]


def test_fault_a_duplicated_grade_id_becomes_an_ordinary_cell():
    notebook = handed_in()
    for grade_id in ("amp-unscale", "unscale", WRITTEN):
        notebook["cells"].append(copy.deepcopy(get(notebook, grade_id)))
    found = cleaned(notebook)
    assert len(found.notebook.cells) == len(RELEASE.cells) + 3
    assert sum("is there 2 times" in n for n in found.notes) == 3


@pytest.mark.parametrize("version", [99, -1, "3", None, [], 10**30])
def test_fault_another_schema_version_stops_nothing(version):
    notebook = handed_in()
    for cell in notebook["cells"]:
        if name(cell):
            cell["metadata"]["nbgrader"]["schema_version"] = version
    assert cleaned(notebook).notebook == cleaned(handed_in()).notebook


def test_notes_are_bounded_and_say_how_many_more_there_are():
    notebook = handed_in()
    notebook["cells"] += [own(metadata={"tags": ["skip-execution"]})] * 100
    found = cleaned(notebook)
    assert len(found.notes) == intake.MAX_NOTES + 1 and found.notes[-1] == "… and 60 more of this kind."


def test_points_and_roles_that_were_changed_do_not_count_and_are_noted():
    notebook = handed_in()
    get(notebook, "amp-unscale")["metadata"]["nbgrader"]["points"] = 300
    get(notebook, "amp-zeroed")["metadata"]["nbgrader"] |= {"locked": False, "solution": True}
    found = cleaned(notebook)
    assert found.notebook == cleaned(handed_in()).notebook
    assert [n.split()[0] for n in found.notes] == ["amp-zeroed", "amp-unscale"]


def test_a_foreign_grade_id_becomes_an_ordinary_cell_with_a_bounded_note():
    notebook = handed_in()
    cell = copy.deepcopy(get(notebook, "unscale"))
    cell["metadata"]["nbgrader"]["grade_id"] = "evil\x1b[2J\u202e" * 1000
    notebook["cells"].append(cell)
    found = cleaned(notebook)
    assert found.notebook.cells[-1].metadata == {}
    (note,) = found.notes
    assert len(note) < 150 and "\x1b" not in note and "\u202e" not in note


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no JSON from line 1, column 1"),
        (b"{ not json", "no JSON from line 1"),
        (b"\xff\xfe{\0}\0", "not UTF-8 text (byte 0)"),
        (b"[]", "without format and cells"),
        (b"null", "without format and cells"),
        (b'{"nbformat": 4}', "without format and cells"),
        (b'{"nbformat": 4, "cells": {}}', "without format and cells"),
        (b'{"nbformat": 3, "worksheets": []}', "format 3, expected 4; open it in JupyterLab and save it again"),
        (b'{"nbformat": 5, "cells": []}', "format 5"),
        (b'{"nbformat": 1e999, "cells": []}', "without format"),
        (b'{"nbformat": ' + b"9" * 4000 + b', "cells": []}', "without format"),
        (b'{"nbformat": 4, "cells": [' + b"9" * 10_000_000 + b"]}", "a number of too many digits"),
        (b'{"nbformat": 4, "cells": []}', "none of the lab's graded cells"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[" + b"{}," * 1_000_001 + b"1]", "more than 1,000,000 lists"),
        (json.dumps({"nbformat": 4, "cells": [own()] * 1001}).encode(), "1,001 cells, at most 1,000"),
        (json.dumps({"nbformat": 4, "cells": [own("x" * 2_000_001)]}).encode(), "2,000,001 characters"),
    ],
)
def test_fault_what_is_no_notebook_of_this_lab_has_a_reason(raw, said):
    found = clean(raw, RELEASE)
    assert said in found.reason
    assert_in_order(found)


def test_another_labs_notebook_is_not_taken_for_this_one_though_ids_are_shared():
    notebook = handed_in()
    for cell in notebook["cells"]:
        if name(cell):
            cell["metadata"]["nbgrader"]["grade_id"] = "other-" + name(cell)
    assert "none of the lab's graded cells" in cleaned(notebook).reason
    notebook["cells"] = [own("a", id="written"), own("b", id="setup"), own("c", id="title")]
    assert "none of the lab's graded cells" in cleaned(notebook).reason


def test_large_numbers_nan_and_doubled_keys_in_outputs_cost_an_honest_student_nothing():
    text = json.dumps(handed_in())
    for value in ("NaN", "-Infinity", "1e999", "9" * 4000, '{"a": 1, "a": 2}'):
        changed = text.replace('"outputs": []', f'"outputs": [{value}]')
        assert changed != text
        assert clean(changed.encode(), RELEASE).notebook == cleaned(handed_in()).notebook


def test_a_byte_order_mark_costs_nothing():
    assert clean(b"\xef\xbb\xbf" + json.dumps(handed_in()).encode(), RELEASE).notebook is not None


def test_half_surrogate_pairs_and_nul_do_not_reach_whoever_writes_the_notebook():
    notebook = handed_in()
    get(notebook, "unscale")["source"] = "a = '\ud800\0'"
    notebook["cells"][0]["source"] = ["\udfff", "\0"]
    assert get(cleaned(notebook).notebook, "unscale").source == "a = '?�'"


# ---- files


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "course")


def hand_in(course: Course, student: str, raw: bytes | None = None):
    path = course.notebook(student, LAB)
    path.parent.mkdir(parents=True)
    path.write_bytes(json.dumps(handed_in()).encode() if raw is None else raw)
    return path


def test_a_submission_has_its_hash_and_its_time(course):
    path = hand_in(course, "anna", json.dumps(handed_in()).encode())
    path.with_name("timestamp.txt").write_text("2026-11-23 12:00:00.000000 UTC")
    found = submission(course, "anna", LAB)
    assert_in_order(found)
    assert found.sha256 == intake.hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.timestamp == "2026-11-23T12:00:00+00:00" and found.notes == ()
    assert submission(course, "anna", LAB) == found


def test_fault_corrupt_json_has_a_reason_and_the_hash_of_the_file(course):
    hand_in(course, "dora", b"{ not json")
    found = submission(course, "dora", LAB)
    assert found.reason == f"Not a submission of {LAB}: it is not a readable notebook (no JSON from line 1, column 3)."
    assert found.sha256 == intake.hashlib.sha256(b"{ not json").hexdigest()


@pytest.mark.parametrize(
    "text", ["", "yesterday", "12", "2026-13-45 00:00:00", "0001-01-01 00:00 +2359", "2026-11-23 12:00 /etc/passwd",
             "2026-11-23 12:00 ../../etc/passwd", "2026-11-23 12:00 Europe", "2026-11-23 12:00 Nowhere/Atall",
             "9" * 999, "9" * 2000, "\ud83d", "٢٠٢٦-11-23 12:00"],
)  # fmt: skip
def test_fault_a_bad_timestamp_is_a_note_and_the_time_is_not_known(course, text):
    path = hand_in(course, "anna")
    path.with_name("timestamp.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = submission(course, "anna", LAB)
    assert_in_order(found)
    assert found.notebook is not None and found.timestamp == ""
    assert [n.split()[0] for n in found.notes] == ["timestamp.txt"]


def test_a_timestamp_that_is_a_link_is_not_read(course, tmp_path):
    (tmp_path / "secret").write_text("2026-11-23 12:00:00 UTC")
    hand_in(course, "anna").with_name("timestamp.txt").symlink_to(tmp_path / "secret")
    assert submission(course, "anna", LAB).timestamp == ""


@pytest.mark.parametrize(
    "text", ["2026-11-23 12:00:00.123456 UTC", "2026-11-23 12:00:00", "2026-11-23 12:00:00.5 Europe/Berlin",
             "2026-11-23T12:00:00+01:00", "2026-11-23T12:00:00Z", "2026-07-01 23:59 America/New_York"],
)  # fmt: skip
def test_times_are_what_nbgrader_reads(text):
    assert moment(text).replace(tzinfo=None) == parse_utc(text)


def test_a_numeric_offset_after_a_space_is_hours_and_not_seconds_as_nbgrader_reads_it():
    assert moment("2026-11-23 12:00:00 +0100") == datetime(2026, 11, 23, 11, tzinfo=UTC)


@pytest.mark.parametrize("found", ["mine.ipynb", "2_1_amp (1).ipynb", "2_1_AMP.ipynb", "2_1_amp.txt"])
def test_fault_a_renamed_notebook_has_a_reason_with_what_was_found_and_expected(course, found):
    path = hand_in(course, "fay")
    path.rename(path.with_name(found))
    reason = submission(course, "fay", LAB).reason
    assert reason == f"Not a submission of {LAB}: found {found}, expected {LAB}.ipynb; rename it and hand it in again."


def test_names_in_a_reason_are_bounded_and_harmless(course):
    path = hand_in(course, "fay")
    for i in range(5):
        path.with_name(f"{i}\n\x1b[2J{'x' * 150}.ipynb").write_bytes(b"")
    path.unlink()
    found = submission(course, "fay", LAB)
    assert_in_order(found)
    assert "\x1b" not in found.reason and ", …" in found.reason


def test_an_empty_folder_says_so(course):
    hand_in(course, "fay").unlink()
    assert submission(course, "fay", LAB).reason.startswith(f"Nothing was handed in for {LAB}")


def test_fault_a_link_to_the_gradebook_is_not_read(course):
    (gradebook := course.folder / "gradebook.db").parent.mkdir(parents=True, exist_ok=True)
    gradebook.write_bytes(json.dumps(handed_in()).encode())
    path = hand_in(course, "gus")
    path.unlink()
    path.symlink_to(gradebook)
    found = submission(course, "gus", LAB)
    assert "not an ordinary file but a link" in found.reason and found.notebook is None


@pytest.mark.parametrize("level", [0, 1], ids=["lab folder", "student folder"])
def test_a_folder_that_is_a_link_to_another_students_is_not_entered(course, level):
    good = hand_in(course, "anna")
    assert submission(course, "anna", LAB).notebook is not None
    bad = course.notebook("gus", LAB)
    if level:
        bad.parents[1].symlink_to(good.parents[1])
    else:
        bad.parents[1].mkdir()
        bad.parents[0].symlink_to(good.parents[0])
    assert bad.read_bytes() == good.read_bytes(), "the link leads there"
    assert "not an ordinary folder but a link" in submission(course, "gus", LAB).reason


def test_fifos_sockets_devices_and_folders_are_refused_at_once(course):
    kinds = {"fifo": os.mkfifo, "folder": os.mkdir, "null": lambda p: os.symlink("/dev/zero", p), "socket": _socket}
    for student, make in kinds.items():
        path = hand_in(course, student)
        path.unlink()
        make(path)
        start = time.monotonic()
        assert "not an ordinary file" in submission(course, student, LAB).reason
        assert time.monotonic() - start < 2


def _socket(path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)  # a socket's name is limited to 108 characters
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def test_a_link_put_there_between_looking_and_opening_is_not_followed(course, monkeypatch):
    path = hand_in(course, "gus")
    other = hand_in(course, "anna")
    real = os.stat

    def swap(name, **more):
        found = real(name, **more)
        if name == path.name and not path.is_symlink():
            path.unlink()
            path.symlink_to(other)
        return found

    monkeypatch.setattr(intake.os, "stat", swap)
    with pytest.raises(Rejected, match="link"):
        read_file(path, course.submitted_folder)


def test_hard_links_pass_unless_the_file_is_somebody_elses(course):
    path = hand_in(course, "anna")
    os.link(path, path.with_name("backup"))
    assert submission(course, "anna", LAB).notebook is not None
    mine, theirs = SimpleNamespace(st_uid=1000, st_nlink=2), SimpleNamespace(st_uid=1, st_nlink=2)
    assert intake._foreign(theirs, mine) and not intake._foreign(mine, mine)
    assert not intake._foreign(SimpleNamespace(st_uid=1, st_nlink=1), mine), "a file that was given away is no link"


def test_a_foreign_hard_link_is_refused(course, monkeypatch):
    hand_in(course, "anna")
    monkeypatch.setattr(
        intake, "_foreign", lambda file, folder: stat.S_ISREG(file.st_mode) and stat.S_ISDIR(folder.st_mode)
    )
    assert "hard link to somebody else's file" in submission(course, "anna", LAB).reason


def test_fault_a_huge_file_is_refused_unread(course, monkeypatch):
    path = hand_in(course, "anna")
    os.truncate(path, 500 * 2**20)  # sparse
    monkeypatch.setattr(intake, "_read", lambda *_: pytest.fail("it was read"))
    assert "has 500.0 MiB, at most 20 are taken" in submission(course, "anna", LAB).reason


def test_a_file_that_grows_while_it_is_read_is_cut_off(course, monkeypatch):
    path = hand_in(course, "anna")
    real = os.fstat
    sizes = iter([0] * 10)
    monkeypatch.setattr(intake.os, "fstat", lambda fd: _smaller(real(fd), next(sizes)))
    with pytest.raises(Rejected, match="at most"):
        read_file(path, course.submitted_folder, most=1000)


def _smaller(about, size: int):
    fields = ("st_mode", "st_nlink", "st_uid")
    return SimpleNamespace(st_size=size, **{f: getattr(about, f) for f in fields})


def test_fault_a_long_line_is_refused(course):
    hand_in(course, "anna", json.dumps({"nbformat": 4, "cells": [own("x" * 10_000_000)]}).encode())
    assert "10,000,000 characters" in submission(course, "anna", LAB).reason


def test_a_disk_that_fails_is_our_fault_and_no_reason_against_the_student(course, monkeypatch):
    hand_in(course, "anna")

    def broken(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(intake.os, "read", broken)
    with pytest.raises(GradingFault, match="Input/output error"):
        submission(course, "anna", LAB)


def test_no_right_to_read_is_our_fault_and_says_what_to_do(course, monkeypatch):
    path = hand_in(course, "anna")
    real = os.open

    def denied(name, *args, **more):
        if name == path.name:
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **more)

    monkeypatch.setattr(intake.os, "open", denied)
    with pytest.raises(GradingFault, match="give the grader the right to read it"):
        submission(course, "anna", LAB)


def test_a_broken_release_and_a_missing_folder_are_our_fault(course, monkeypatch, tmp_path):
    with pytest.raises(GradingFault, match="cannot be read"):
        submission(course, "anna", LAB)  # there is no folder of submissions at all
    hand_in(course, "anna")
    (tmp_path / "broken.ipynb").write_text("{")
    monkeypatch.setattr(intake, "release", lambda lab: tmp_path / "broken.ipynb")
    with pytest.raises(GradingFault, match="run `make labs`"):
        submission(course, "anna", LAB)


@pytest.mark.parametrize("student", ["", ".", "..", "a/b", "/etc"])
def test_a_students_name_is_the_name_of_one_folder(course, student):
    with pytest.raises(Refusal, match="student's name"):
        submission(course, student, LAB)


def test_no_descriptor_is_left_open(course):
    hand_in(course, "anna")
    hand_in(course, "dora", b"{")
    before = len(os.listdir("/proc/self/fd"))
    for student in ("anna", "dora", "nobody") * 5:
        submission(course, student, LAB)
    assert len(os.listdir("/proc/self/fd")) == before


# ---- anything at all

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
strange = scalars | st.sampled_from(
    [[], {}, [[]], [None], [{}], {"a": {}}, "x" * 5000, 10**400, "code", "markdown", "\ud800"]
)
keys = st.sampled_from(["cells", "nbformat", "cell_type", "source", "metadata", "nbgrader", "grade_id", "tags", "id",
                        "attachments", "locked", "points", "solution", "outputs"])  # fmt: skip
shaped = st.recursive(
    strange | st.sampled_from([*LOCKED, *SOLUTIONS, 4]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)


def assert_taken(raw: bytes) -> intake.Intake:
    start = time.process_time()  # others may use this machine's cores
    found = clean(raw, RELEASE)
    assert time.process_time() - start < 5
    assert_in_order(found)
    return found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_intake(raw):
    assert assert_taken(raw).reason


@settings(max_examples=120, deadline=None)
@given(anything | shaped | st.fixed_dictionaries({"nbformat": st.just(4), "cells": st.lists(shaped, max_size=4)}))
def test_any_json_gives_an_intake(value):
    assert_taken(json.dumps(value).encode())


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(strange, min_size=1, max_size=6))
def test_any_mutation_of_an_honest_submission_gives_an_intake(rng, values):
    notebook = handed_in()
    for value in values:
        _mutate(rng, notebook, value)
    assert_taken(json.dumps(notebook).encode())


def _mutate(rng: random.Random, notebook, value) -> None:
    """Replace, delete, double or move one thing somewhere in the notebook."""
    parent, depth = notebook, rng.randint(1, 6)
    while True:
        if not isinstance(parent, dict | list) or not parent:
            return
        key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        if depth == 0 or not isinstance(parent[key], dict | list) or not parent[key]:
            break
        parent, depth = parent[key], depth - 1
    match rng.choice(["replace", "delete", "double", "move"]):
        case "replace":
            parent[key] = value
        case "delete":
            del parent[key]
        case "double" if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        case "move" if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent)), parent.pop(key))


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_order_of_cells_and_no_deletion_loses_work_or_puts_a_test_before_it(rng):
    """Any permutation, with own cells in it and locked cells deleted."""
    notebook = handed_in()
    rng.shuffle(notebook["cells"])
    notebook["cells"] = [c for c in notebook["cells"] if name(c) not in LOCKED or rng.random() < 0.8]
    for i in range(4):
        notebook["cells"].insert(rng.randrange(len(notebook["cells"]) + 1), own(f"own = {i}"))
    found = assert_taken(json.dumps(notebook).encode())
    theirs = [c["source"] for c in notebook["cells"] if name(c) in SOLUTIONS or c["source"].startswith("own =")]
    assert [c.source for c in found.notebook.cells if c.source in theirs] == theirs
    places = {name(c): i for i, c in enumerate(found.notebook.cells)}
    names = [name(c) for c in RELEASE.cells if name(c)]
    for n in LOCKED:
        before = [m for m in names[: names.index(n)] if m in SOLUTIONS]
        assert all(places[m] < places[n] for m in before), n
    assert places["setup"] < places["real-gradients"] < min(places[n] for n in SOLUTIONS)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"nbformat": 4, "cells": [' + b"0," * 9_999_990 + b"0]}",
        b'{"nbformat": 4, "cells": [' + b'"ab",' * 3_999_990 + b'"a"]}',
        b'{"nbformat": 4, "cells": [' + b"[]," * 999_000 + b"0]}",
        b'{"nbformat": 4, "cells": "' + b"\\u0000" * 3_000_000 + b'"}',
        b'"' + b"\\" * 20_000_000 + b'"',
    ],
)
def test_the_largest_file_is_taken_apart_in_bounded_time(raw):
    assert len(raw) <= intake.MAX_BYTES
    assert assert_taken(raw).reason


# ---- archives


def zipped(path, members: dict[str, bytes], **about):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, data in members.items():
            entry = zipfile.ZipInfo(member)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in about.items():
                setattr(entry, key, value)
            file.writestr(entry, data)
    return path


def test_an_honest_archive_is_unpacked(tmp_path):
    members = {f"{LAB}/{LAB}.ipynb": b"{}", f"{LAB}/notes ü.txt": b"hello", "__MACOSX/._x": b"junk", "empty/": b""}
    written = unpack(zipped(tmp_path / "a.zip", members), tmp_path / "out")
    assert {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in written} == {
        f"{LAB}/{LAB}.ipynb": b"{}", f"{LAB}/notes ü.txt": b"hello"
    }  # fmt: skip
    assert not (tmp_path / "out" / "__MACOSX").exists()


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("../evil", "leaves the folder"),
        ("a/../../evil", "leaves the folder"),
        ("/etc/evil", "leaves the folder"),
        ("..\\evil", "leaves the folder"),
        ("C:evil", "leaves the folder"),
        ("a\x1b[2Jb", "leaves the folder"),
        ("a/" * 11 + "b", "too long a name"),
        ("x" * 201, "too long a name"),
    ],
)
def test_a_member_that_leaves_the_folder_is_refused_and_nothing_is_written(tmp_path, member, said):
    with pytest.raises(Rejected, match=said) as refused:
        unpack(zipped(tmp_path / "a.zip", {"good": b"1", member: b"2"}), tmp_path / "deep" / "out")
    assert "\x1b" not in str(refused.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "deep"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_an_archive_are_refused(tmp_path, kind):
    archive = zipped(tmp_path / "a.zip", {"link": b"/etc/passwd"}, external_attr=(kind | 0o777) << 16)
    with pytest.raises(Rejected, match="a link or a device: link"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_by_ratio_is_cut_off_and_what_was_written_is_removed(tmp_path):
    archive = zipped(tmp_path / "a.zip", {f"{i}": bytes(2**20) for i in range(50)})
    with pytest.raises(Rejected, match="unpacks to more than"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_by_size_is_cut_off_whatever_the_archive_says_of_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MAX_UNPACKED", 100_000)
    archive = zipped(tmp_path / "a.zip", {"a": os.urandom(60_000)})
    assert unpack(archive, tmp_path / "one")
    archive = zipped(tmp_path / "b.zip", {f"{i}": bytes(30_000) for i in range(4)})
    with pytest.raises(Rejected, match="unpacks to more than"):
        unpack(archive, tmp_path / "out")


def test_an_archive_of_many_members_is_refused_before_they_are_read(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {f"{i}": b"" for i in range(1001)})
    monkeypatch.setattr(intake.zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(Rejected, match="more than 1,000 members"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("members", [["a", "a/b"], ["a/b", "a"], ["a/b", "a//b"], ["./a", "a"]])
def test_clashing_names_are_refused(tmp_path, members):
    with pytest.raises(Rejected):
        unpack(zipped(tmp_path / "a.zip", dict.fromkeys(members, b"x")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_encrypted_and_unusual_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a", b"x")
    with pytest.raises(Rejected, match="unusual compression"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    raw = bytearray(zipped(tmp_path / "b.zip", {"a": b"x"}).read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(raw)
    with pytest.raises(Rejected, match="password"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damaged_archive_is_unpacked_or_refused_and_leaves_nothing(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("zip")
    raw = bytearray(zipped(folder / "a.zip", {"a/b": b"hello" * 50, "c": b"x"}).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.zip").write_bytes(raw)
    try:
        written = unpack(folder / "a.zip", folder / "out")
    except Rejected:
        assert not (folder / "out").exists()
    else:
        assert all((folder / "out") in p.parents for p in written)
    assert {p.name for p in folder.iterdir()} <= {"a.zip", "out"}


def test_an_existing_folder_and_a_linked_archive_are_refused(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a": b"x"})
    with pytest.raises(Refusal, match="exists"):
        unpack(archive, tmp_path)
    (tmp_path / "b.zip").symlink_to(archive)
    with pytest.raises(Rejected, match="link"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


# ---- what it costs


def test_intake_imports_no_torch():
    import subprocess
    import sys

    script = "import sys, quintet_grading.intake, quintet_grading.policy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
