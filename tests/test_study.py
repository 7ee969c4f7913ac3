"""A study stores each part with where it came from, and keeps what it was not asked to measure again."""

import json

import pytest

from quintet import study


def asked(monkeypatch, folder, *words, **parts):
    monkeypatch.setattr("sys.argv", ["study", *words])
    study.run(str(folder / "x_study.py"), parts, {"one": {"rounds": 3}}, ["torch"])
    return json.loads((folder / "x_study.json").read_text())


def test_a_part_is_stored_with_machine_date_versions_and_settings(tmp_path, monkeypatch):
    stored = asked(monkeypatch, tmp_path, one=lambda: [{"value": 1.5}])
    assert stored["one"]["result"] == [{"value": 1.5}] and stored["one"]["settings"] == {"rounds": 3}
    assert stored["one"]["machine"]["cpu"] and stored["one"]["versions"]["torch"] and stored["one"]["date"]


def test_parts_that_are_not_named_keep_what_they_had(tmp_path, monkeypatch):
    asked(monkeypatch, tmp_path, one=lambda: 1, two=lambda: 2)
    stored = asked(monkeypatch, tmp_path, "two", one=lambda: 10, two=lambda: 20)
    assert (stored["one"]["result"], stored["two"]["result"]) == (1, 20)


def test_a_part_that_fails_loses_nothing_that_was_measured_before(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        asked(monkeypatch, tmp_path, one=lambda: 1, two=lambda: 1 / 0)
    assert json.loads((tmp_path / "x_study.json").read_text())["one"]["result"] == 1


def test_an_unknown_part_is_refused_with_those_there_are(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        asked(monkeypatch, tmp_path, "three", one=lambda: 1)
    assert "no part three; choose from one" in capsys.readouterr().err


def test_runs_over_seeds_go_on_where_they_were_cut_off_if_the_settings_are_the_same(tmp_path):
    file, seen = str(tmp_path / "x_study.py"), []

    def run(name, fails_at=None):
        def once(seed):
            if seed == fails_at:
                raise KeyboardInterrupt
            seen.append((name, seed))
            return {"value": len(seen)}

        return once

    with pytest.raises(KeyboardInterrupt):
        study.over_seeds(file, "one", {"a": run("a"), "b": run("b", fails_at=1)}, [0, 1], {"steps": 3})
    noted = (tmp_path / "x_study.one.part").read_text()
    both = {"a": run("a"), "b": run("b")}
    rows = study.over_seeds(file, "one", both, [0, 1], {"steps": 3})
    assert seen == [("a", 0), ("b", 0), ("a", 1), ("b", 1)], "none twice"
    assert rows == [{"seed": s, "run": r, "value": 2 * s + 1 + (r == "b")} for s in (0, 1) for r in "ab"]
    assert not (tmp_path / "x_study.one.part").exists()
    (tmp_path / "x_study.one.part").write_text(noted)
    study.over_seeds(file, "one", both, [0, 1], {"steps": 4})
    assert len(seen) == 8, "other settings: all anew"
