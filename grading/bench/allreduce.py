"""Our ring beside gloo's own all-reduce, and parameter servers beside the ring: 32 MB of fp32, processes on loopback.

Two cores carry four ranks here, so W=4 measures oversubscription, for both sides alike. Each round times every side
once, in turns, from a barrier until the slowest rank has finished.
"""

import statistics
import time

import torch
import torch.distributed as dist

from quintet import allreduce
from quintet.launch import launch
from quintet_grading.bench import whole

SIZE = 8 * 2**20  # fp32 numbers
ROUNDS = 21
GLOO = "gloo all_reduce"


def times(names: list[str], rounds: int) -> list[list[float]]:
    """On every rank: seconds by round and name. The sides' results are compared first."""
    link = allreduce.Distributed()
    sides = [dist.all_reduce if n == GLOO else lambda x, n=n: getattr(allreduce, n)(link, x) for n in names]
    x = torch.randn(SIZE, generator=torch.Generator().manual_seed(link.rank))
    sums = []
    for side in sides:
        sums.append(x.clone())
        side(sums[-1])
        torch.testing.assert_close(sums[-1], sums[0], rtol=1e-5, atol=1e-5)  # a few ranks in another order
    found = []
    for _ in range(rounds):
        found.append([])
        for side in sides:
            x.fill_(1e-3)
            dist.barrier()
            start = time.perf_counter()
            side(x)
            dist.barrier()
            found[-1].append(time.perf_counter() - start)
    return found


def race(world: int, ours: str, peer: str) -> tuple[float, float]:
    """Seconds of ours, and of the peer so that peer ÷ ours is the median of the rounds' ratios."""
    rounds = launch(times, world, ([ours, peer], ROUNDS), seconds=300)[0]
    mine = statistics.median(a for a, _ in rounds)
    return mine, mine * statistics.median(b / a for a, b in rounds)


@whole(name="allreduce/ring-w2", peer=GLOO, bar=1 / 1.5)
def ring_w2() -> tuple[float, float]:
    return race(2, "ring_allreduce_", GLOO)


@whole(name="allreduce/ring-w4", peer=GLOO, bar=1 / 1.5)
def ring_w4() -> tuple[float, float]:
    return race(4, "ring_allreduce_", GLOO)


@whole(name="allreduce/server-w4", peer="our ring")
def server_w4() -> tuple[float, float]:
    return race(4, "server_allreduce_", "ring_allreduce_")


@whole(name="allreduce/sharded-w4", peer="our ring")
def sharded_w4() -> tuple[float, float]:
    return race(4, "sharded_allreduce_", "ring_allreduce_")


@whole(name="allreduce/doubling-w4", peer="our ring")
def doubling_w4() -> tuple[float, float]:
    return race(4, "doubling_allreduce_", "ring_allreduce_")
