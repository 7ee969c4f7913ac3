"""Studies behind lectures: what takes minutes is measured once and stored with its date, machine and versions.

    study.run(__file__, {"link": link, "race": race}, settings={"race": {"rounds": 15}}, packages=["torch"])

at the end of `2_3_allreduce_study.py` makes that file a command, `python 2_3_allreduce_study.py [part ...]`, which
writes `2_3_allreduce_study.json` beside it for the lecture to read. A part whose runs are repeated over seeds is made
with `over_seeds`, and goes on where it was cut off.
"""

import argparse
import datetime
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from quintet import measure

Row = dict[str, Any]


def run(
    file: str, parts: Mapping[str, Callable[[], Any]], settings: Mapping[str, Mapping], packages: Sequence[str]
) -> None:
    """Measure the parts named on the command line, or all, and store each as soon as it is there.

    file: the study's own. settings: by part; what the part's numbers depend on. packages: whose versions are noted.
    """
    parser = argparse.ArgumentParser(description="Measure what the lecture plots.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(parts)}; default: all")
    wanted = parser.parse_args().parts or list(parts)
    if unknown := set(wanted) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    torch.set_num_threads(1)  # with several, they wait for each other wherever another program has a core
    store = Path(file).with_suffix(".json")
    stored = json.loads(store.read_text()) if store.exists() else {}
    for part in wanted:
        load = [round(os.getloadavg()[0], 2)]
        result = parts[part]()
        stored[part] = {
            "date": datetime.date.today().isoformat(),
            "machine": measure.machine(),
            "versions": {name: version(name) for name in packages},
            "load_average": [*load, round(os.getloadavg()[0], 2)],  # of the whole machine, before and after
            "settings": dict(settings.get(part, {})),
            "result": result,
        }
        store.write_text(_text(stored) + "\n")
    print(f"wrote {store.name}")


def over_seeds(
    file: str, part: str, runs: Mapping[str, Callable[[int], Row]], seeds: Sequence[int], settings: Mapping
) -> list[Row]:
    """A row for each seed and run, in that order: {"seed": seed, "run": name, **runs[name](seed)}.

    file: the study's own. Each row is noted in a file of the part beside it as soon as it is there, and the file is
    deleted once the part is whole: called again after it was cut off, with the same settings, it reads what is noted.
    """
    notes, made_with = Path(file).with_suffix(f".{part}.part"), json.dumps(settings)
    done = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    rows = {(row["seed"], row["run"]): row for row in done if row.pop("settings") == made_with}
    for seed, run in track([(s, r) for s in seeds for r in runs], f"{part:<10}"):
        if (seed, run) not in rows:
            rows[seed, run] = {"seed": seed, "run": run, **runs[run](seed)}
            with notes.open("a") as noted:
                noted.write(json.dumps(rows[seed, run] | {"settings": made_with}) + "\n")
    notes.unlink(missing_ok=True)
    return [rows[seed, run] for seed in seeds for run in runs]


def _text(value: Any, depth: int = 0) -> str:
    """JSON with short lists and mappings on one line, so that a diff shows which row changed."""
    flat = json.dumps(value)
    if depth >= 4 or len(flat) <= 110 or not isinstance(value, dict | list):
        return flat
    keys = [json.dumps(k) + ": " for k in value] if isinstance(value, dict) else [""] * len(value)
    items = value.values() if isinstance(value, dict) else value
    lines = ",\n".join(" " * (depth + 1) + k + _text(v, depth + 1) for k, v in zip(keys, items, strict=True))
    start, end = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{start}\n{lines}\n{' ' * depth}{end}"
