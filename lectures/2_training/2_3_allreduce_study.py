"""The study behind lecture 2.3: what a message, an all-reduce and a data-parallel step cost between processes here.

    python lectures/2_training/2_3_allreduce_study.py           # everything, some six minutes on two idle cores
    python lectures/2_training/2_3_allreduce_study.py link      # one part; the others keep their stored result and date

Writes 2_3_allreduce_study.json beside this file. All ranks are processes on this machine that speak over loopback
(gloo), one thread each: with more ranks than cores they wait for each other's core, and that is measured too.

    link       half a round trip between two ranks against the message's size, and the α and β that fit best
    race       all-reduce of each kind against the tensor's size, for 2 and 4 ranks, in alternating rounds
    scaling    a data-parallel step of a small network on 1, 2 and 4 ranks, with equal work for each rank
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from rich.progress import track
from torch import nn

from quintet import allreduce, study
from quintet.launch import launch

LINK_BYTES = [2**e for e in range(3, 26, 2)]
LINK_ROUNDS = 40
RACE_BYTES = [2**e for e in range(8, 25, 4)]
RACE_ROUNDS = 15
WAYS = ("ring", "doubling", "server", "sharded", "gloo")
STEP_ROUNDS, ROWS, WIDTH = 15, 256, 512


def way(link: allreduce.Link, name: str) -> Callable[[torch.Tensor], Any]:
    if name == "gloo":
        return dist.all_reduce
    return lambda x: getattr(allreduce, f"{name}_allreduce_")(link, x)


def middle(seconds: list[float]) -> list[float]:
    """Median, lower and upper quartile."""
    low, mid, high = statistics.quantiles(seconds, n=4)
    return [mid, low, high]


# ----------------------------------------------------------------------------------------------------------------- link


def ping() -> list[list[float]]:
    """On rank 0: seconds of half a round trip, by size and round."""
    link, found = allreduce.Distributed(), []
    for size in LINK_BYTES:
        x = torch.zeros(size, dtype=torch.uint8)
        found.append([])
        for _ in range(LINK_ROUNDS + 3):
            dist.barrier()
            start = time.perf_counter()
            for act in (link.send, link.recv) if link.rank == 0 else (link.recv, link.send):
                act(x, 1 - link.rank)
            found[-1].append((time.perf_counter() - start) / 2)
    return [seconds[3:] for seconds in found]


def link() -> dict[str, Any]:
    times = launch(ping, 2, seconds=300)[0]
    fitted = allreduce.fit_cost(LINK_BYTES, [statistics.median(t) for t in times])
    rows = [{"bytes": n, "seconds": middle(t)} for n, t in zip(LINK_BYTES, times, strict=True)]
    return {"rows": rows, "alpha": fitted.alpha, "beta": fitted.beta}


# ----------------------------------------------------------------------------------------------------------------- race


def timed(bytes: int) -> dict[str, list[float]]:
    """On every rank: seconds by way and round, from a barrier until the slowest rank has finished."""
    link = allreduce.Distributed()
    sides = {name: way(link, name) for name in WAYS}
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    x = torch.empty(bytes // 4)
    for _ in range(RACE_ROUNDS + 1):
        for name, side in sides.items():
            x.fill_(1e-3)
            dist.barrier()
            start = time.perf_counter()
            side(x)
            dist.barrier()
            found[name].append(time.perf_counter() - start)
    return {name: seconds[1:] for name, seconds in found.items()}


def race() -> list[dict[str, Any]]:
    rows = []
    for world in (2, 4):
        for bytes in track(RACE_BYTES, f"race, {world} ranks"):
            found = launch(timed, world, (bytes,), seconds=300)[0]
            ratios = {n: middle([a / b for a, b in zip(t, found["ring"], strict=True)]) for n, t in found.items()}
            rows.append({"world": world, "bytes": bytes, "seconds": {n: middle(t) for n, t in found.items()}})
            rows[-1]["to_ring"] = ratios
    return rows


# -------------------------------------------------------------------------------------------------------------- scaling


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))


def steps() -> dict[str, list[float]]:
    """On every rank: seconds of a step by way and round, each rank with ROWS rows."""
    link = allreduce.Distributed()
    x, y = torch.randn(ROWS, WIDTH), torch.randint(10, (ROWS,))
    found: dict[str, list[float]] = {}
    for name in ("ring", "server", "sharded"):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        average = allreduce.GradientAverage(
            link, model.parameters(), bucket_bytes=2**20, allreduce=getattr(allreduce, f"{name}_allreduce_")
        )
        found[name] = []
        for _ in range(STEP_ROUNDS + 1):
            optimizer.zero_grad()
            dist.barrier()
            start = time.perf_counter()
            nn.functional.cross_entropy(model(x), y).backward()
            average.wait()
            optimizer.step()
            dist.barrier()
            found[name].append(time.perf_counter() - start)
        average.close()
        found[name] = found[name][1:]
    return found


def scaling() -> list[dict[str, Any]]:
    rows = []
    for world in track((1, 2, 4), "scaling"):
        found = launch(steps, world, seconds=300)[0]
        rows.append({"world": world, "seconds": {name: middle(t) for name, t in found.items()}})
    return rows


# ----------------------------------------------------------------------------------------------------------------- main

PARTS: dict[str, Callable[[], Any]] = {"link": link, "race": race, "scaling": scaling}
SETTINGS = {
    "link": {"rounds": LINK_ROUNDS},
    "race": {"rounds": RACE_ROUNDS, "dtype": "fp32"},
    "scaling": {"rounds": STEP_ROUNDS, "rows_a_rank": ROWS, "layers": [WIDTH, WIDTH, WIDTH, 10], "bucket_bytes": 2**20},
}

if __name__ == "__main__":
    study.run(__file__, PARTS, SETTINGS, ["torch"])
