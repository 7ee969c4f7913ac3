"""The ring moves what its bound says and no more, ends with the same bits everywhere, never waits for itself, and
trains as one process would."""

import math
import os
import time

import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
from torch import nn

from quintet import allreduce
from quintet.allreduce import Cost
from quintet.launch import LaunchError, launch, ranks
from quintet.student import loopback
from quintet.student.fabric import Bounds, Fabric, trace

torch.set_num_threads(1)

ALL = ("ring_allreduce_", "doubling_allreduce_", "server_allreduce_", "sharded_allreduce_")
WORLDS = range(1, 9)


def on_rank(comm, name, x, mean=False):
    return getattr(allreduce, name)(allreduce.Messages(comm), x, mean=mean)


def halves_on_rank(comm, x):
    link, flat = allreduce.Messages(comm), x.clone()
    own = allreduce.reduce_scatter_(link, flat)
    scattered = flat[own].clone()
    allreduce.all_gather_(link, flat)
    return own.start, scattered, flat


def broadcast_on_rank(comm, x):
    allreduce.broadcast_(allreduce.Messages(comm), [x])
    return x


def weight_on_rank(comm, rows):
    return allreduce.loss_weight(allreduce.Messages(comm), rows)


STUDENT = loopback({f.__name__: f for f in (on_rank, halves_on_rank, broadcast_on_rank, weight_on_rank)})


def run(function, argss, **options) -> tuple[list, Fabric]:
    fabric = Fabric(len(argss), bounds=Bounds(seconds=60, bytes=2**26, operations=100_000), **options)
    results = STUDENT.parallel(getattr(STUDENT, function.__name__), argss, fabric)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results, fabric


def inputs(world, *shape, dtype=torch.float32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    if not (dtype.is_floating_point or dtype.is_complex):
        return [torch.randint(-1000, 1000, shape, generator=rng).to(dtype) for _ in range(world)]
    return [torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype) for _ in range(world)]


# ---- the sum


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.complex64], ids=str)
def test_every_rank_ends_with_the_same_sum_for_any_world_and_size(name, dtype):
    for world in WORLDS:
        for size in (0, 1, world - 1, world + 1, 37):
            xs = inputs(world, size, dtype=dtype, seed=size)
            results, _ = run(on_rank, [(name, x) for x in xs])
            wide = torch.complex128 if dtype.is_complex else torch.float64 if dtype.is_floating_point else dtype
            exact = torch.stack([x.to(wide) for x in xs]).sum(0)
            assert all(torch.equal(r, results[0]) for r in results), "ranks differ"
            assert results[0].dtype == dtype
            if dtype == torch.int64:
                assert torch.equal(results[0], exact)
            else:  # world - 1 additions, each off by at most eps/2 of a partial sum, itself at most the sum of sizes
                slack = world * torch.finfo(dtype).eps / 2 * torch.stack([x.abs().double() for x in xs]).sum(0)
                assert ((results[0].to(wide) - exact).abs() <= slack).all()


@pytest.mark.parametrize("name", ALL)
def test_the_mean_is_the_sum_over_the_world(name):
    for world in (1, 3, 4):
        xs = inputs(world, 5, 7)
        results, _ = run(on_rank, [(name, x, True) for x in xs])
        torch.testing.assert_close(results[0], torch.stack(xs).mean(0))
        assert all(torch.equal(r, results[0]) for r in results)


class Alone:
    """The link of a world of one."""

    rank, world = 0, 1


@pytest.mark.parametrize("name", ALL)
def test_it_works_in_place_whatever_the_strides(name):
    x = torch.arange(12.0).view(3, 4)
    for view in (x, x.t(), x[:, 1], x[0, 0], x[:0]):
        before = view.clone()
        assert getattr(allreduce, name)(Alone(), view, mean=True) is view
        assert torch.equal(view, before)


def test_a_tensor_with_strides_is_written_back():
    def strided(comm, x):
        y = x.clone().t()
        allreduce.ring_allreduce_(allreduce.Messages(comm), y)
        return y.t().contiguous()

    student = loopback({"strided": strided})
    xs = inputs(3, 5, 7)
    fabric = Fabric(3)
    for result in student.parallel(student.strided, [(x,) for x in xs], fabric):
        torch.testing.assert_close(result, torch.stack(xs).sum(0))


def test_after_the_reduce_scatter_each_rank_owns_the_next_ranks_chunk():
    world, size = 4, 10
    xs = inputs(world, size)
    results, _ = run(halves_on_rank, [(x,) for x in xs])
    total = torch.stack(xs).sum(0)
    parts = allreduce.chunks(size, world)
    for rank, (start, scattered, gathered) in enumerate(results):
        part = parts[(rank + 1) % world]
        assert start == part.start
        torch.testing.assert_close(scattered, total[part])
        torch.testing.assert_close(gathered, total)


def test_chunks_cover_everything_once_and_differ_by_one_at_most():
    for world in WORLDS:
        for size in range(20):
            parts = allreduce.chunks(size, world)
            assert [i for p in parts for i in range(size)[p]] == list(range(size))
            lengths = [p.stop - p.start for p in parts]
            assert len(parts) == world and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("x", "mean", "said"),
    [
        (torch.ones(3, dtype=torch.int64), True, "mean of torch.int64"),
        (torch.ones(3, dtype=torch.bool), False, "torch.bool"),
        (torch.eye(3).to_sparse(), False, "sparse"),
    ],
)
@pytest.mark.parametrize("name", ALL)
def test_what_has_no_sum_or_mean_is_refused_and_left_alone(name, x, mean, said):
    with pytest.raises(ValueError, match=said):
        getattr(allreduce, name)(Alone(), x, mean=mean)
    assert (x.to_dense() == (torch.eye(3) if x.is_sparse else torch.ones(3))).all()


# ---- the wire


def test_the_ring_sends_its_bound_in_2_n_minus_1_steps_to_one_neighbour():
    for world in WORLDS[1:]:
        for size in (world - 1, 3 * world + 1, 60):
            xs = inputs(world, size)
            _, fabric = run(on_rank, [("ring_allreduce_", x) for x in xs])
            lengths = [p.stop - p.start for p in allreduce.chunks(size, world)]
            for rank, sent in enumerate(fabric.bytes_sent):
                kept = lengths[(rank + 1) % world] + lengths[(rank + 2) % world]  # of the first and the second half
                assert sent == 4 * (2 * size - kept)
                assert abs(sent - 2 * (world - 1) / world * 4 * size) < 2 * 4
            assert set(fabric.links) <= {(r, (r + 1) % world) for r in range(world)}
            assert fabric.unreceived == []
            if size >= world:
                assert fabric.steps == 2 * (world - 1)


def test_every_message_of_the_ring_is_a_partial_sum_that_its_sender_knew():
    for world in (2, 3, 5):
        xs = inputs(world, world * (world + 2) + 1)
        _, fabric = run(on_rank, [("ring_allreduce_", x) for x in xs])
        seen = trace(fabric.log, xs)
        assert seen.unexplained == [] and all(seen.reached)


def test_large_tensors_go_in_pieces_and_still_by_the_same_bytes(monkeypatch):
    monkeypatch.setattr(allreduce, "PIECE_BYTES", 16)
    xs = inputs(3, 50)
    results, fabric = run(on_rank, [("ring_allreduce_", x) for x in xs])
    torch.testing.assert_close(results[0], torch.stack(xs).sum(0))
    assert max(m.bytes for m in fabric.log) == 16
    assert abs(fabric.bytes_sent[0] - 2 * 2 / 3 * 200) < 8


def test_the_baselines_send_what_they_are_known_for():
    world, size = 4, 24
    sent, steps, received = {}, {}, {}
    for name in ALL:
        _, fabric = run(on_rank, [(name, x) for x in inputs(world, size)])
        sent[name], steps[name], received[name] = fabric.bytes_sent, fabric.steps, fabric.bytes_received
    whole = 4 * size
    assert sent["server_allreduce_"] == [3 * whole, whole, whole, whole] == received["server_allreduce_"]
    assert sent["doubling_allreduce_"] == [2 * whole] * 4  # log2 4
    assert sent["sharded_allreduce_"] == sent["ring_allreduce_"] == [6 * whole // 4] * 4
    assert steps == {"ring_allreduce_": 6, "sharded_allreduce_": 6, "doubling_allreduce_": 2, "server_allreduce_": 6}


def test_recursive_doubling_folds_the_ranks_beyond_a_power_of_two():
    _, fabric = run(on_rank, [("doubling_allreduce_", x) for x in inputs(6, 8)])
    assert [s // 32 for s in fabric.bytes_sent] == [3, 3, 2, 2, 1, 1]
    assert fabric.steps == 2 + 2


@pytest.mark.slow
def test_200_random_runs_in_random_orders_and_without_room_for_a_message_never_lock():
    rng = np.random.default_rng(0)
    for _ in range(200):
        world, size, name = int(rng.integers(2, 9)), int(rng.integers(0, 40)), ALL[rng.integers(len(ALL))]
        xs = inputs(world, size, seed=size)
        capacity = [0, 1, None][rng.integers(3)]
        slow = rng.choice(world, size=rng.integers(0, world), replace=False).tolist()
        results, fabric = run(on_rank, [(name, x) for x in xs], rng=rng, capacity=capacity, slow=slow)
        assert fabric.deadlock == ""
        assert all(torch.equal(r, results[0]) for r in results)
        torch.testing.assert_close(results[0], torch.stack(xs).sum(0))


def test_broadcast_gives_everyone_rank_0s():
    for world in (1, 2, 5):
        xs = inputs(world, 3, 2)
        results, fabric = run(broadcast_on_rank, [(x,) for x in xs], capacity=0)
        assert all(torch.equal(r, xs[0]) for r in results)
        assert fabric.steps == world - 1


def test_unequal_ranks_weigh_their_loss_by_their_rows():
    results, _ = run(weight_on_rank, [(3,), (5,), (0,)])
    assert results == pytest.approx([3 * 3 / 8, 3 * 5 / 8, 0])
    with pytest.raises(ValueError, match="at least one row"):
        allreduce.loss_weight(Alone(), 0)


# ---- real processes


def gloo_on_rank(size):
    link = allreduce.Distributed()
    rng = torch.Generator().manual_seed(link.rank)
    same = []
    for dtype in (torch.float32, torch.float16, torch.int64):
        x = (torch.randn(size, generator=rng) * 100).to(dtype)
        theirs = x.clone()
        dist.all_reduce(theirs)
        # 2 terms: one addition, whatever the order; 3 or more may differ by a rounding each
        slack = (
            {} if dtype == torch.int64 else {"rtol": 4 * torch.finfo(dtype).eps, "atol": 400 * torch.finfo(dtype).eps}
        )
        for name in ALL:
            torch.testing.assert_close(getattr(allreduce, name)(link, x.clone()), theirs, **slack)
        same.append(allreduce.ring_allreduce_(link, x.clone()))
    return same


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2, 3])
def test_over_gloo_it_is_gloos_sum(world):
    results = launch(gloo_on_rank, world, (1_000_003,))
    assert all(torch.equal(a, b) for mine in results for a, b in zip(mine, results[0], strict=True))


def model():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 4))


def batch(step, rows):
    rng = torch.Generator().manual_seed(step)
    return torch.randn(rows, 6, generator=rng), torch.randint(4, (rows,), generator=rng)


ROWS, STEPS, MICRO = 12, 5, 2


def train_on_rank(shares, bucket_bytes):
    """Weights after each step; shares: rows of each rank."""
    link = allreduce.Distributed()
    net = model()
    if link.rank:
        with torch.no_grad():
            for p in net.parameters():
                p.zero_()
    allreduce.broadcast_(link, net.parameters())
    average = allreduce.GradientAverage(link, net.parameters(), bucket_bytes)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    start = sum(shares[: link.rank])
    seen = []
    for step in range(STEPS):
        optimizer.zero_grad()
        x, y = (t[start : start + shares[link.rank]] for t in batch(step, ROWS))
        weight = allreduce.loss_weight(link, len(x))
        with average.no_sync():
            (nn.functional.cross_entropy(net(x), y) * weight / MICRO).backward()
        (nn.functional.cross_entropy(net(x), y) * weight / MICRO).backward()
        average.wait()
        optimizer.step()
        seen.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    average.close()
    return seen, len(average.buckets)


def train_alone():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    for step in range(STEPS):
        optimizer.zero_grad()
        x, y = batch(step, ROWS)
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        yield torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "bucket_bytes", "buckets"), [([4, 4, 4], 2**20, 1), ([6, 6], 1, 6), ([7, 5], 450, 3)]
)
def test_data_parallel_training_is_training_in_one_process_step_by_step(shares, bucket_bytes, buckets):
    results = launch(train_on_rank, len(shares), (shares, bucket_bytes))
    alone = list(train_alone())
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(alone, alone[1:], strict=False)), "nothing was learned"
    for seen, count in results:
        assert count == buckets
        for step, (got, want) in enumerate(zip(seen, alone, strict=True)):
            assert torch.equal(got, results[0][0][step]), "ranks drift apart"
            # sums of 12 rows and 3 ranks in another order: a few eps a step, and five steps build on each other
            torch.testing.assert_close(got, want, rtol=0, atol=2**-23 * 12 * (step + 1))


def unused_on_rank():
    link = allreduce.Distributed()
    used, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    average = allreduce.GradientAverage(link, [used, unused, frozen], bucket_bytes=1)
    loss = (used * (link.rank + 1)).sum() + (unused.sum() if link.rank == 1 else 0)
    loss.backward()
    average.wait()
    second = used.grad.clone(), unused.grad.clone(), frozen.grad
    used.grad = None
    used.sum().backward()
    try:
        used.sum().backward()
        twice = ""
    except RuntimeError as error:
        twice = str(error)
    average.close()
    return *second, twice


@pytest.mark.slow
def test_a_parameter_without_a_gradient_counts_as_zeros_and_a_second_backward_is_refused():
    for used, unused, frozen, twice in launch(unused_on_rank, 2):
        assert used.tolist() == [1.5] * 3 and unused.tolist() == [0.5] * 2 and frozen is None
        assert "no_sync" in twice


# ---- launching


def world_and_rank():
    return dist.get_world_size(), dist.get_rank(), os.getpid()


def rank_0_waits():
    if dist.get_rank() == 0:
        dist.recv(torch.zeros(3), 1)
    return "done"


def rank_1_raises():
    if dist.get_rank() == 1:
        raise KeyError("oh")
    time.sleep(60)


def rank_1_dies():
    if dist.get_rank() == 1:
        os._exit(7)
    dist.barrier()


def ended(pids) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.slow
def test_results_come_back_by_rank_and_no_process_stays():
    secret = 41  # a function by value, with what it holds
    results = launch(lambda more: (*world_and_rank(), secret + more), 3, (1,))
    assert [r[:2] for r in results] == [(3, 0), (3, 1), (3, 2)]
    assert [r[3] for r in results] == [42] * 3
    assert ended(r[2] for r in results)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (rank_0_waits, ["it was in rank_0_waits (test_allreduce.py:", "returned"]),
        (rank_1_raises, ["it was in rank_1_raises (test_allreduce.py:", "raised KeyError: 'oh' (test_allreduce.py:"]),
        (rank_1_dies, ["raised ", "ended with code 7"]),
    ],
)
def test_a_launch_that_fails_says_what_became_of_each_rank(function, said, monkeypatch, tmp_path):
    monkeypatch.setenv("STARTED_BY", str(tmp_path))  # to know its processes by: another test may launch some meanwhile
    with pytest.raises(LaunchError) as caught:
        launch(function, 2, seconds=20)
    assert all(part in text for part, text in zip(said, caught.value.ranks, strict=True)), str(caught.value)
    assert ("time was up" in str(caught.value)) == (function is rank_0_waits)
    left = [p for p in psutil.process_iter(["environ"]) if (p.info["environ"] or {}).get("STARTED_BY") == str(tmp_path)]
    assert left == []


def handed_round(comm, x):
    """Two tensors to the right under two tags, asked for in the other order."""
    right, left = (comm.rank + 1) % comm.world, (comm.rank - 1) % comm.world
    sends = [comm.isend(x, right), comm.isend(x.double().sum()[None], right, tag=1)]
    first, second = comm.irecv(left), comm.irecv(left)  # one more is asked for than has come
    total = comm.recv(left, tag=1)
    sends.append(comm.isend(x + x, right))
    got = second.wait(), first.wait(), total
    for send in sends:
        send.wait()
    return got


@pytest.mark.slow
def test_a_comm_over_gloo_carries_what_one_on_a_fabric_carries():
    inputs = [(torch.tensor([1.5]).half(),), (torch.zeros(0, 3),), (torch.arange(6).view(2, 3).T,)]
    student, fabric = loopback({"f": handed_round}), Fabric(3)
    for real, played in zip(
        ranks(handed_round, inputs, seconds=40), student.parallel(student.f, inputs, fabric), strict=True
    ):
        for a, b in zip(real, played, strict=True):
            assert a.dtype == b.dtype and torch.equal(a, b)


def all_send_first(comm):
    comm.send(torch.ones(1), 1 - comm.rank)
    return comm.recv(1 - comm.rank)


def to_itself(comm):
    comm.send(torch.ones(1), comm.rank)


def no_numbers(comm):
    comm.send(torch.ones(1, dtype=torch.complex128), 1 - comm.rank)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (all_send_first, "did not return; it was in all_send_first"),
        (to_itself, "cannot send to or receive from rank 0"),
        (no_numbers, "not complex128"),
    ],
)
def test_a_comm_that_is_misused_ends_in_a_report(function, said):
    with pytest.raises(LaunchError) as caught:
        ranks(function, [()] * 2, seconds=15)
    assert said in caught.value.ranks[0]


def test_a_world_of_none_is_refused():
    with pytest.raises(ValueError, match="at least one rank, received 0"):
        launch(world_and_rank, 0)


# ---- the cost model

COST = Cost(alpha=3e-6, beta=1 / 12e9, gamma=1 / 40e9)


def test_the_costs_are_the_steps_and_bytes_that_the_fabric_counts():
    world, size = 4, 24
    seconds = {
        "ring_allreduce_": allreduce.ring_seconds,
        "doubling_allreduce_": allreduce.doubling_seconds,
        "server_allreduce_": allreduce.server_seconds,
    }
    for name, cost in seconds.items():
        _, fabric = run(on_rank, [(name, x) for x in inputs(world, size)])
        busiest = max(m.bytes for m in fabric.log)
        assert cost(world, 4 * size, Cost(1, 0)) == fabric.steps
        assert cost(world, 4 * size, Cost(0, 1)) == fabric.steps * busiest
    assert allreduce.server_seconds(8, 1e6, COST, shards=8) == pytest.approx(allreduce.ring_seconds(8, 1e6, COST))
    assert allreduce.doubling_seconds(6, 10, Cost(1, 0)) == 4 and allreduce.doubling_seconds(1, 10, COST) == 0
    assert allreduce.ring_seconds(1, 10, COST) == 0


def test_each_has_the_sizes_where_it_is_faster():
    for world in (4, 16, 1024):
        size = allreduce.crossover_bytes(world, COST)
        bare = Cost(COST.alpha, COST.beta)
        ring, doubling = (f(world, size, bare) for f in (allreduce.ring_seconds, allreduce.doubling_seconds))
        assert ring == pytest.approx(doubling)
        assert allreduce.ring_seconds(world, 2 * size, bare) < allreduce.doubling_seconds(world, 2 * size, bare)
        assert allreduce.ring_seconds(world, size / 2, bare) > allreduce.doubling_seconds(world, size / 2, bare)
    assert allreduce.crossover_bytes(2, COST) == math.inf


def test_the_fit_finds_latency_and_bandwidth_through_noise():
    rng = np.random.default_rng(1)
    sizes = 2.0 ** np.arange(6, 27)
    times = [COST.message(n) * rng.uniform(0.9, 1.1) for n in sizes]
    found = allreduce.fit_cost(sizes, times)
    assert found.alpha == pytest.approx(COST.alpha, rel=0.1) and found.beta == pytest.approx(COST.beta, rel=0.1)
    assert allreduce.fit_cost([1e3, 1e6], [1e-6, 1e-3]).alpha == pytest.approx(0, abs=1e-12)
    for sizes, times in (([10, 10], [1, 1]), ([10, 20], [1, 0]), ([10, 20], [1, 2, 3])):
        with pytest.raises(ValueError, match="two different sizes"):
            allreduce.fit_cost(sizes, times)


def test_efficiency_is_what_communication_leaves():
    assert allreduce.efficiency(9, 1) == 0.9
    assert allreduce.efficiency(9, 1, overlap=0.5) == 1
    assert allreduce.efficiency(1, 3, overlap=1) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="from 0 to 1"):
        allreduce.efficiency(1, 1, overlap=1.5)


def test_more_shards_than_ranks_are_refused():
    with pytest.raises(ValueError, match="1 to 4 shards"):
        allreduce.server_seconds(4, 1e6, COST, shards=5)
