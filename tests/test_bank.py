"""Is the grader itself right? The bank of every lab, and a seeded sample of mutants."""

import ast
import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from quintet import checks
from quintet_grading import bank, mutants, run
from quintet_grading.course import ROOT, labs, solution


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("lab", labs())
def test_the_bank_gets_the_grades_that_it_must(lab, audited):
    found = audited(lab)
    assert found.misses == []
    assert found.blank == 0
    assert sum(case.kind == "right" for case in bank.cases(lab)) >= 3, "the reference and two other styles"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("lab", labs())
def test_a_sample_of_mutants_is_killed(lab, audited):
    found = audited(lab)
    assert found.survivors == []
    assert found.total["mutants"] == 16


@pytest.mark.parametrize("lab", labs())
def test_every_misconception_that_a_check_can_name_has_a_wrong_submission(lab):
    cases = [c for c in bank.cases(lab) if c.kind == "wrong"]
    ids = [id for id in map(run.check_id, run.read(solution(lab)).cells) if id]
    known = {m for id in ids for m in checks.find(id).misconceptions()}
    assert {c.misconception for c in cases} - {None} == known <= {c.name for c in cases}
    assert {c.check for c in cases} <= set(ids)


@pytest.mark.parametrize("lab", labs())
def test_points_and_ids_agree_between_checks_and_cells(lab):
    cells = [c for c in run.read(solution(lab)).cells if run.check_id(c)]
    assert 4 <= len(cells) <= 8
    for cell in cells:
        found = checks.find(run.check_id(cell))
        assert cell.metadata.nbgrader.points == found.points
        assert cell.metadata.nbgrader.grade_id == found.id.replace("/", "-")


@pytest.mark.parametrize("lab", labs())
def test_a_lab_imports_only_what_it_may(lab):
    allowed = {"check", "progress", "data", "launch", "measure", "show"}
    for cell in run.read(solution(lab)).cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("quintet") for a in node.names)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("quintet"):
                parts = node.module.split(".")[1:] or [a.name for a in node.names]
                assert set(parts[:1] if node.module != "quintet" else parts) <= allowed


def test_mutants_change_one_thing_each_and_compile():
    found = mutants.mutants(labs()[0])
    assert len(found) >= 30
    assert len({(m.cell, m.source) for m in found}) == len(found)
    reference = {k: ast.unparse(ast.parse(v)) for k, v in bank.reference(labs()[0]).items()}
    for m in found:
        compile(m.source, m.cell, "exec")
        assert m.source != reference[m.cell]
        assert m.source.split(":\n", 1)[0] == reference[m.cell].split(":\n", 1)[0], "signatures are left alone"


@pytest.mark.parametrize("lab", labs())
def test_every_mutant_listed_as_equivalent_exists(lab):
    assert set(mutants.equivalent(lab)) <= {(m.cell, m.change) for m in mutants.mutants(lab)}


STEP, CHECK, SHOWN = {"solution": True}, {"grade": True}, {}


def test_an_audit_leaves_out_what_no_check_depends_on():
    cells = [
        ("set-up", "import math", SHOWN),
        ("step", "def area(x):\n    y = PI * x\n    return y", STEP),
        ("for-pi", "TWO = 2", SHOWN),
        ("pi", "PI = TWO / 2 * math.pi", SHOWN),  # the step looks it up
        ("figure", "y = [area(x) for x in range(9)]\nprint(y)", SHOWN),  # the step's y is its own
        ("check", 'check("circle/area")', CHECK),
        ("end", "z = y", SHOWN),
    ]

    def kept(cells):
        notebook = new_notebook(cells=[new_code_cell(s, id=i, metadata={"nbgrader": role}) for i, s, role in cells])
        return [cell.id for cell in bank.for_checks(notebook).cells]

    assert kept(cells) == ["set-up", "step", "for-pi", "pi", "check"]
    assert len(kept([*cells, ("magic", "%timeit area(1)", SHOWN)])) == 8, "whole: that is no plain Python"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# %% unscale\nx = 1\n",
        '# /// case\n# about = "no check"\n# ///\n\n# %% unscale\nx = 1\n',
        '# /// case\n# about = "x"\n# ///\n',
    ],
)
def test_a_file_that_is_no_case_is_refused(tmp_path, text):
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "broken.py").write_text(text)
    with pytest.raises(ValueError, match="broken.py"):
        bank._read(tmp_path / "wrong" / "broken.py")


def words(text: str) -> str:
    return " " + re.sub(r"[\W_]+", " ", text).strip().casefold()


def leads_to(read: str, headings: list[str]) -> bool:
    """Whether a misconception's `read` ends with one of the headings, number included."""
    return any(words(read).endswith(words(h)) for h in headings)


def test_what_leads_to_a_heading_is_told_from_what_does_not():
    assert leads_to("lecture 2.1 amp, section 4 Loss scaling", ["4 · Loss scaling"])
    assert not leads_to("lecture 2.1 amp, section 4 Loss scaling", ["5 · Loss scaling", "4 · Scaling", "4 · Loss"])


@pytest.mark.parametrize("lab", labs())
def test_every_misconception_sends_the_student_to_a_heading_that_exists(lab):
    (lecture,) = (ROOT / "lectures").glob(f"*/{lab}.ipynb")
    known = checks.find(next(id for id in map(run.check_id, run.read(solution(lab)).cells) if id)).misconceptions()
    assert len(known) > 12
    assert all(m.title and m.why.endswith(".") and "section " in m.read for m in known.values())
    cells = run.read(lecture).cells
    lines = [line for c in cells if c.cell_type == "markdown" for line in c.source.splitlines()]
    headings = [line.lstrip("#") for line in lines if re.match(r"#{1,4} ", line)]
    assert [m.read for m in known.values() if not leads_to(m.read, headings)] == []
