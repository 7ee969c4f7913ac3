"""Studies behind lectures: what takes minutes is measured once and stored with its date, machine and versions.

    study.run(__file__, {"link": link, "race": race}, settings={"race": {"rounds": 15}}, packages=["torch"])

at the end of `2_3_allreduce_study.py` makes that file a command, `python 2_3_allreduce_study.py [part ...]`, which
writes `2_3_allreduce_study.json` beside it for the lecture to read.
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

from quintet import measure


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
