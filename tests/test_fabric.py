"""The fabric: what a ring does on the wire is counted exactly, cheats are told apart by what it shows, deadlocks are
known at once, and nothing that a rank does harms the check's side or stays behind.

Every test of what a student sees runs in both places: ranks as threads in this process (the notebook) and as processes
forked from a real child (a graded run).
"""

import contextlib
import gc
import socket
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import torch

from quintet.student import Died, StudentError, TimedOut, loopback, wire
from quintet.student.fabric import MAX_TRACED, Bounds, BrokeRule, Deadlock, Fabric, trace
from quintet.student.ranks import refuse
from quintet.student.serve import SOCKETS
from quintet_grading import sandbox
from quintet_grading.nursery import Child, Nursery

torch.set_num_threads(1)

STUDENT = '''
import threading, time, os
import torch

def edges(n, world):
    each = -(-n // world)
    return [min(r * each, n) for r in range(world + 1)]

def scatter(comm, flat):
    """Reduce-scatter round the ring: rank r ends with the sum of chunk r + 1."""
    at = edges(len(flat), comm.world)
    for s in range(comm.world - 1):
        send, add = (comm.rank - s) % comm.world, (comm.rank - s - 1) % comm.world
        comm.send(flat[at[send] : at[send + 1]], (comm.rank + 1) % comm.world)
        flat[at[add] : at[add + 1]] += comm.recv((comm.rank - 1) % comm.world)

def gather(comm, flat):
    at = edges(len(flat), comm.world)
    for s in range(comm.world - 1):
        send, put = (comm.rank + 1 - s) % comm.world, (comm.rank - s) % comm.world
        comm.send(flat[at[send] : at[send + 1]], (comm.rank + 1) % comm.world)
        flat[at[put] : at[put + 1]] = comm.recv((comm.rank - 1) % comm.world)

def ring(comm, tensor):
    flat = tensor.flatten().clone()
    scatter(comm, flat)
    gather(comm, flat)
    return flat.reshape(tensor.shape)

def ring_without_blocking(comm, tensor):
    """The same with chunks that are strided, and a send that waits after the receive."""
    flat, world = tensor.flatten().clone(), comm.world
    for s in range(2 * (world - 1)):
        send, get = (comm.rank - s) % world, (comm.rank - s - 1) % world
        sent = comm.isend(flat[send::world], (comm.rank + 1) % world, tag=3)
        got = comm.irecv((comm.rank - 1) % world, tag=3)
        flat[get::world] = got.wait() + (flat[get::world] if s < world - 1 else 0)
        sent.wait()
    return flat.reshape(tensor.shape)

def padded_mean(comm, tensor):
    flat = tensor.flatten() / comm.world
    padded = torch.cat([flat, flat.new_zeros(-len(flat) % comm.world)])
    return ring(comm, padded)[: len(flat)].reshape(tensor.shape)

def whole_tensors(comm, tensor):
    total, passed = tensor.clone(), tensor
    for _ in range(comm.world - 1):
        comm.send(passed, (comm.rank + 1) % comm.world)
        passed = comm.recv((comm.rank - 1) % comm.world)
        total += passed
    return total

def server(comm, tensor):
    if comm.rank:
        comm.send(tensor, 0)
        return comm.recv(0)
    total = tensor.clone()
    for r in range(1, comm.world):
        total += comm.recv(r)
    for r in range(1, comm.world):
        comm.send(total, r)
    return total

board = torch.zeros(4, 24).share_memory_()  # opened before the ranks are, so that even processes share it

def zeros_and_a_side_channel(comm, tensor):
    board[comm.rank] = tensor.flatten()
    flat = torch.zeros_like(tensor).flatten()
    scatter(comm, flat)
    gather(comm, flat)
    return board.sum(0).reshape(tensor.shape)

def others_sums_and_a_side_channel(comm, tensor):
    """Sends round the ring what only the side channel can have told it: the finished sum from the first hop on."""
    board[comm.rank] = tensor.flatten()
    comm.send(torch.zeros(0), (comm.rank + 1) % comm.world)
    comm.recv((comm.rank - 1) % comm.world)
    total = board.sum(0)
    gather(comm, total)
    return total.reshape(tensor.shape)

def wrong_way(comm, tensor):
    left, right = (comm.rank - 1) % comm.world, (comm.rank + 1) % comm.world
    comm.send(tensor, left)
    return tensor + comm.recv(right)

def sends_to_nobody(comm, tensor):
    comm.send(tensor, comm.world)

def sends_to_itself(comm, tensor):
    comm.send(tensor, comm.rank)

def sends_an_object(comm, tensor):
    comm.send("tensor", 1 - comm.rank)

def returns_early(comm, tensor):
    return tensor if comm.rank == 1 else ring(comm, tensor)

def one_raises(comm, tensor):
    if comm.rank == 1:
        raise ArithmeticError("no")
    return ring(comm, tensor)

def one_hangs(comm, tensor):
    while comm.rank == 1:
        pass
    if comm.rank == 2:
        comm.recv(1)
    return ring(comm, tensor)

def floods(comm, tensor):
    while comm.rank == 1:
        comm.send(tensor, 0)
    return comm.rank

def crossed_tags(comm, tensor):
    comm.send(tensor, 1 - comm.rank, tag=comm.rank)
    return comm.recv(1 - comm.rank, tag=comm.rank)

def never_received(comm, tensor):
    comm.send(tensor, 1 - comm.rank)

def returns_an_object(comm, tensor):
    return object()

def writes_over_its_argument(comm, tensor):
    tensor += 1
    return tensor

count = [0]

def counts(comm):
    count[0] += 1
    return count[0]

def dies(comm, tensor):
    if comm.rank == 1:
        os._exit(1)
    return ring(comm, tensor)

def talks_nonsense(comm, tensor):
    if comm.rank == 1:
        comm._sock.sendall(b"x" * 64)
        time.sleep(30)
    return comm.rank

def announces_much(comm, tensor):
    if comm.rank == 1:
        comm._sock.sendall((0).to_bytes(8, "big") + (10**8).to_bytes(8, "big"))
        time.sleep(30)
    return comm.rank

def stops_in_a_frame(comm, tensor):
    if comm.rank == 1:
        comm._sock.sendall(b"x")
        time.sleep(30)
    return ring(comm, tensor)

def forges(comm, tensor):
    """Rank 1 says that it is rank 2, wherever it can."""
    if comm.rank == 1:
        comm.rank = 2
        comm.send(tensor, 0)
    if comm.rank == 0:
        return comm.recv(1)

def asks_in_vain(link):
    link.send(torch.ones(3), 1)
    return link.recv(0) + 1

def keeps(link):
    global kept
    kept = link

def uses_what_it_kept():
    return kept.recv(0)

def calls_back(comm, link):
    return link.recv(0)
'''


@pytest.fixture(scope="module")
def nursery():
    with Nursery(["torch"], sandboxed=not sandbox.why_not()) as made:
        made.child().__exit__()  # it is started
        yield made


def with_ranks(child: Child):
    """The child's student, able to run ranks."""
    if child.student._lend is None:
        child.student._lend = lambda fds: socket.send_fds(child.sock, [SOCKETS], fds)
    assert child.run(STUDENT) == []
    return child.student


@pytest.fixture(scope="module", params=["threads", "processes"])
def student(request):
    if request.param == "threads":
        names: dict = {}
        exec(STUDENT, names)
        yield loopback(names)
    else:
        with request.getfixturevalue("nursery").child() as child:
            yield with_ranks(child)


@pytest.fixture
def fresh(nursery):
    """A child whose student may ruin it."""
    with nursery.child() as child:
        yield with_ranks(child)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """No thread and no descriptor more than before, whatever a test did."""
    threads, files = sys._current_frames().keys(), descriptors()
    yield
    deadline = time.monotonic() + 10  # a rank that was told to end does so when it is its turn
    while sys._current_frames().keys() - threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sys._current_frames().keys() <= threads
    gc.collect()  # shared memory of a namespace that a test made
    assert descriptors() <= files


def descriptors() -> int:
    return psutil.Process().num_fds()


def tensors(world: int, shape=(4, 6), dtype=torch.float32) -> list[torch.Tensor]:
    rng = np.random.default_rng(world)
    return [torch.from_numpy(rng.integers(1, 100, shape)).to(dtype) for _ in range(world)]


def run(student, name: str, world: int, fabric: Fabric | None = None, shape=(4, 6)) -> tuple[list, Fabric]:
    fabric = fabric or Fabric(world)
    inputs = tensors(world, shape)
    return student.parallel(getattr(student, name), [(x,) for x in inputs], fabric), fabric


# ---- a right ring


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64], ids=str)
def test_a_right_ring_sends_2_of_n_minus_1_chunks_in_as_many_steps_and_every_hop_is_a_partial_sum(
    student, world, dtype
):
    shape = (5, 7)  # 35 elements: no multiple of 2, 3, 4
    inputs, fabric = tensors(world, shape, dtype), Fabric(world)
    results = student.parallel(student.ring, [(x,) for x in inputs], fabric)
    for result in results:
        assert torch.equal(result, sum(inputs)) and result.dtype == dtype
    each = -(-35 // world)
    chunk = [min(each, 35 - r * each) * dtype.itemsize for r in range(world)]
    total = sum(chunk)
    # all chunks but its own next one in the first round, all but the one after that in the second
    exact = [2 * total - chunk[(r + 1) % world] - chunk[(r + 2) % world] for r in range(world)] if world > 1 else [0]
    assert fabric.bytes_sent == exact
    assert sum(fabric.bytes_sent) == sum(fabric.bytes_received) == 2 * (world - 1) * total
    assert fabric.messages_sent == [2 * (world - 1)] * world
    assert fabric.steps == 2 * (world - 1)
    assert set(fabric.links) == ({(r, (r + 1) % world) for r in range(world)} if world > 1 else set())
    assert not fabric.unreceived and not fabric.deadlock and not fabric.refused
    found = trace(fabric.log, inputs)
    assert found.unexplained == [] and all(found.reached)
    assert {len(h.ranks) for h in found.hops} == set(range(1, world + 1)) - (set() if world > 1 else {1})


def test_strided_chunks_sent_without_blocking_and_padded_means_are_partial_sums_too(student):
    inputs = tensors(3, (5, 7))
    fabric = Fabric(3, capacity=0)
    results = student.parallel(student.ring_without_blocking, [(x,) for x in inputs], fabric)
    assert all(torch.equal(r, sum(inputs)) for r in results) and fabric.steps == 4
    found = trace(fabric.log, inputs)
    assert found.unexplained == [] and all(found.reached)
    assert {(h.start, h.stride) for h in found.hops} == {(0, 3), (1, 3), (2, 3)}
    fabric = Fabric(3)
    results = student.parallel(student.padded_mean, [(x,) for x in inputs], fabric)
    assert all(torch.allclose(r, sum(inputs) / 3) for r in results)
    assert fabric.bytes_sent == [4 * 12 * 4] * 3, "35 elements padded to 36"
    assert trace(fabric.log, inputs, scales=(1, 1 / 3)).unexplained == []
    assert trace(fabric.log, inputs).unexplained, "sums were not what travelled"


def test_both_places_show_the_same_run(nursery):
    names: dict = {}
    exec(STUDENT, names)
    seen = []
    with nursery.child() as child:
        for student in (loopback(names), with_ranks(child)):
            for name in ("ring", "whole_tensors", "server", "returns_early", "sends_to_nobody", "one_raises"):
                results, fabric = run(student, name, 3, Fabric(3, np.random.default_rng(7), capacity=1))
                messages = [(m.order, m.received, m.source, m.target, m.step, m.payload.tolist()) for m in fabric.log]
                told = [(type(r), str(r) if isinstance(r, StudentError) else r.tolist()) for r in results]
                seen.append((name, messages, told, fabric.steps, fabric.deadlock, fabric.refused))
    assert seen[:6] == seen[6:]
    assert any(isinstance(kind, type) and issubclass(kind, Deadlock) for _, _, told, *_ in seen for kind, _ in told)


def test_a_seed_gives_the_order_of_events_and_other_seeds_other_orders(student):
    def order(seed: int) -> list:
        _, fabric = run(student, "ring", 4, Fabric(4, np.random.default_rng(seed)))
        return [(m.order, m.received, m.source) for m in fabric.log]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_further_runs_of_the_same_ranks_start_from_the_same_arguments(student):
    inputs = tensors(2)
    fabrics = [Fabric(2) for _ in range(3)]
    student.parallel(student.writes_over_its_argument, [(x,) for x in inputs], *fabrics)
    for fabric in fabrics:
        assert all(torch.equal(r, x + 1) for r, x in zip(fabric.results, inputs, strict=True))


def test_a_run_that_a_rank_does_not_survive_is_the_last(student):
    fabrics = [Fabric(3), Fabric(3, capacity=0), Fabric(3)]
    student.parallel(student.ring, [(x,) for x in tensors(3)], *fabrics)
    assert [(f.started, f.survived) for f in fabrics] == [(True, True), (True, False), (False, False)]
    assert all(r.text == "the ranks were never run" for r in fabrics[2].results)


def test_ranks_of_a_graded_run_share_no_globals(nursery):
    with nursery.child() as child:
        student = with_ranks(child)
        fabrics = [Fabric(4), Fabric(4)]
        student.parallel(student.counts, [()] * 4, *fabrics)
        assert [f.results for f in fabrics] == [[1] * 4, [2] * 4]
        assert student.count == [0], "nor with the process that they were forked from"


@pytest.mark.slow
def test_a_ring_ends_right_under_200_random_schedules(student):
    for world in range(2, 9):
        inputs = tensors(world)
        fabrics = [Fabric(world, np.random.default_rng(s), capacity=1 + s % 2, slow=[s % world]) for s in range(29)]
        with student.within(120):
            student.parallel(student.ring, [(x,) for x in inputs], *fabrics)
        assert 7 * len(fabrics) >= 200
        for fabric in fabrics:
            assert all(torch.equal(r, sum(inputs)) for r in fabric.results)
            assert fabric.steps == 2 * (world - 1), "whatever the schedule"


def test_a_slow_rank_gets_its_turn_last(student):
    _, fabric = run(student, "never_received", 2, Fabric(2, slow=[0]))
    assert [m.source for m in fabric.log] == [0, 1], "both had asked before the first turn"
    fabrics = [Fabric(4), Fabric(4, slow=[0])]
    student.parallel(student.ring, [(x,) for x in tensors(4)], *fabrics)
    latest = [max(m.received for m in f.log if m.target == 0) for f in fabrics]
    assert latest[0] < latest[1]
    assert all(torch.equal(a, b) for a, b in zip(fabrics[0].results, fabrics[1].results, strict=True))


# ---- cheats, told apart by what the fabric shows


def test_whole_tensors_round_the_ring_show_in_bytes(student):
    results, fabric = run(student, "whole_tensors", 4)
    assert all(torch.equal(r, sum(tensors(4))) for r in results), "the answer alone does not tell"
    size = 4 * 6 * 4
    assert fabric.bytes_sent == [3 * size] * 4 and fabric.steps == 3
    assert {len(h.message.payload.flatten()) for h in trace(fabric.log, tensors(4)).hops} == {24}


def test_a_parameter_server_shows_in_links_and_has_the_steps_of_its_busiest_port(student):
    results, fabric = run(student, "server", 4)
    assert all(torch.equal(r, sum(tensors(4))) for r in results)
    assert fabric.steps == 6 and fabric.bytes_sent[0] == 3 * fabric.bytes_sent[1]
    assert set(fabric.links) == {(r, 0) for r in (1, 2, 3)} | {(0, r) for r in (1, 2, 3)}


def test_right_sized_zeros_beside_a_side_channel_are_no_partial_sums(student):
    honest, counted = run(student, "ring", 4)
    results, fabric = run(student, "zeros_and_a_side_channel", 4)
    assert fabric.bytes_sent == counted.bytes_sent and fabric.steps == counted.steps, "counts alone do not tell"
    inputs = tensors(4)
    found = trace(fabric.log, inputs)
    assert [h.ranks for h in found.unexplained] == [None] * len(fabric.log)
    assert found.reached == [False] * 4


def test_sums_that_the_sender_cannot_know_are_told_from_those_it_can(student):
    results, fabric = run(student, "others_sums_and_a_side_channel", 4)
    assert not any(isinstance(r, StudentError) for r in results)
    found = trace(fabric.log, tensors(4))
    first = [h for h in found.hops if h.message.bytes][:4]
    assert first and all(h.ranks == frozenset(range(4)) and not h.known for h in first)
    assert found.reached == [False] * 4


def test_a_wrong_neighbour_shows_in_links(student):
    _, fabric = run(student, "wrong_way", 4)
    assert set(fabric.links) == {(r, (r - 1) % 4) for r in range(4)}


def test_one_error_of_a_ring_names_the_hop(student):
    inputs = tensors(3)
    off = student.define(
        "def run(comm, ring, tensor):\n"
        "    real = comm.recv\n"
        "    comm.recv = lambda frm, tag=0: real(frm, tag) + (comm.rank == 2)\n"
        "    return ring(comm, tensor)\n"
    )
    fabric = Fabric(3)
    student.parallel(off.run, [(student.ring, x) for x in inputs], fabric)
    wrong = trace(fabric.log, inputs).unexplained
    assert wrong[0].message.source == 2 and wrong[0].message.step == 2 and wrong[0].ranks is None


# ---- deadlocks and broken rules


def test_blocking_sends_without_room_are_a_deadlock_known_at_once(student):
    start = time.monotonic()
    results, fabric = run(student, "ring", 3, Fabric(3, capacity=0, bounds=Bounds(seconds=60)))
    assert time.monotonic() - start < 10
    assert [type(r) for r in results] == [Deadlock] * 3
    assert fabric.deadlock == (
        "rank 0 waits for rank 1 to receive what it sent; rank 1 waits for rank 2 to receive what it sent; "
        "rank 2 waits for rank 0 to receive what it sent"
    )
    assert {r.text for r in results} == {fabric.deadlock}
    assert run(student, "ring", 3)[1].deadlock == "", "the student is none the worse"


def test_tags_that_do_not_meet_are_a_deadlock_and_messages_that_nobody_took_are_listed(student):
    results, fabric = run(student, "crossed_tags", 2)
    assert "rank 0 waits for a message from rank 1; rank 1 waits for" in results[1].text
    assert len(fabric.unreceived) == 2
    results, fabric = run(student, "never_received", 2)
    assert results == [None, None] and len(fabric.unreceived) == 2 and fabric.bytes_received == [0, 0]


@pytest.mark.parametrize(
    ("name", "how"), [("returns_early", "which returned"), ("one_raises", "which raised ArithmeticError")]
)
def test_a_rank_that_ends_early_is_named_to_those_who_wait_for_it(student, name, how):
    results, fabric = run(student, name, 3)
    assert isinstance(results[2], Deadlock) and f"rank 2 waits for a message from rank 1, {how}" in fabric.deadlock
    if name == "one_raises":
        assert (results[1].kind, results[1].text) == ("ArithmeticError", "no") and "one_raises" in results[1].trace


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sends_to_nobody", "send: there is no rank 2, ranks are 0 to 1"),
        ("sends_to_itself", "send: rank 0 named itself"),
        ("sends_an_object", "send: a message is a tensor or an array"),
    ],
)
def test_a_message_that_cannot_be_sent_is_an_error_of_the_rank(student, name, said):
    results, fabric = run(student, name, 2)
    assert (results[0].kind, results[0].text) == ("ValueError", said)
    assert fabric.refused[0] == (0, said) and fabric.log == []


def test_a_rank_cannot_speak_for_another(student):
    results, fabric = run(student, "forges", 3)
    assert torch.equal(results[0], tensors(3)[1])
    assert [(m.source, m.target) for m in fabric.log] == [(1, 0)]


@pytest.mark.parametrize("bounds", [Bounds(operations=50), Bounds(bytes=10_000)], ids=["operations", "bytes"])
def test_a_flood_is_stopped_and_the_others_go_on(student, bounds):
    results, fabric = run(student, "floods", 3, Fabric(3, bounds=bounds))
    assert isinstance(results[1], BrokeRule) and "more than" in results[1].text
    assert (results[0], results[2]) == (0, 2)
    assert len(fabric.log) <= 104


def test_a_rank_that_computes_for_ever_is_named_when_time_is_up(student):
    start = time.monotonic()
    results, _ = run(student, "one_hangs", 3, Fabric(3, bounds=Bounds(seconds=1.0)))
    assert 0.9 < time.monotonic() - start < 15
    assert all(isinstance(r, TimedOut) for r in results)
    assert "rank 1 neither asked nor ended within 1 s" in results[0].text
    assert "rank 2 waits for a message from rank 1" in results[0].text
    assert "rank 2 neither" not in results[0].text
    assert run(student, "ring", 3)[1].survived, "the student is none the worse"


def test_a_time_limit_of_the_check_counts_for_the_fabric_too(student):
    start = time.monotonic()
    with student.within(3.0):
        results, _ = run(student, "one_hangs", 2, Fabric(2, bounds=Bounds(seconds=60)))
    assert time.monotonic() - start < 15 and isinstance(results[0], TimedOut)


def test_a_result_that_is_no_plain_data_is_an_error_of_the_rank(student):
    results, _ = run(student, "returns_an_object", 2)
    assert "plain data" in results[0].text and "not a object" in results[0].text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dies", Died),
        ("talks_nonsense", BrokeRule),
        ("announces_much", BrokeRule),
        ("stops_in_a_frame", TimedOut),
    ],
)
def test_a_rank_that_dies_or_breaks_the_protocol_is_a_finding_and_its_student_goes_on(fresh, name, kind):
    """Processes only: a thread that does so is the user's own notebook."""
    results, _ = run(fresh, name, 3, Fabric(3, bounds=Bounds(seconds=3.0)))
    assert type(results[1]) is kind
    assert all(r is None or isinstance(r, (StudentError, int)) for r in results)
    if name == "dies":
        assert "rank 2 waits for a message from rank 1, which died" in results[2].text
    assert run(fresh, "ring", 3)[1].survived


# ---- a hostile child


@pytest.mark.parametrize(
    ("bad", "finding"),
    [
        ("lambda self, f, a, lend, conduct: None", Died),  # no rank is run
        ("lambda self, f, a, lend, conduct: (lend(), conduct())", TimedOut),  # sockets kept, nobody speaks
        ("lambda self, f, a, lend, conduct: conduct()", TimedOut),  # sockets not taken
        ("lambda self, f, a, lend, conduct: (lend(), lend())", StudentError),
        ("lambda self, f, a, lend, conduct: (lend(), conduct(), conduct())", StudentError),
        ("lambda self, f, a, lend, conduct: conduct(1)", StudentError),
        ("lambda self, f, a, lend, conduct: (lend(), __import__('os')._exit(0))", Died),
    ],
)
def test_a_child_that_does_not_keep_to_the_plan_is_never_our_fault(nursery, bad, finding):
    with nursery.child() as child:
        student = with_ranks(child)
        assert child.run(f"from quintet.student.host import Host\nHost.do_parallel = {bad}") == []
        try:
            results, _ = run(student, "ring", 2, Fabric(2, bounds=Bounds(seconds=1.0)))
        except StudentError as error:
            results = [error]
        assert all(isinstance(r, finding) for r in results)


def test_a_rank_that_kills_its_parent_is_a_finding(nursery):
    with nursery.child() as child:
        student = with_ranks(child)
        assert child.run("def kill(comm):\n    os.kill(os.getppid(), 9)\n    time.sleep(30)") == []
        with contextlib.suppress(StudentError):
            results = student.parallel(student.kill, [()] * 2, Fabric(2, bounds=Bounds(seconds=1.0)))
            assert all(isinstance(r, StudentError) for r in results)


def test_no_process_of_a_rank_outlives_its_run_or_its_grader(nursery):
    with nursery.child() as child:
        student = with_ranks(child)
        before = set(psutil.Process(child.pid).children(recursive=True))
        run(student, "one_hangs", 3, Fabric(3, bounds=Bounds(seconds=0.5)))
        assert set(psutil.Process(child.pid).children(recursive=True)) == before
        found: list[psutil.Process] = []

        def look() -> None:
            found.extend(psutil.Process(child.pid).children(recursive=True))
            child.__exit__()  # the grader gives up in the middle

        threading.Timer(0.5, look).start()
        with pytest.raises(Died):
            run(student, "one_hangs", 3, Fabric(3, bounds=Bounds(seconds=5.0)))
    assert len(found) >= 3
    gone, alive = psutil.wait_procs(found, timeout=20)
    assert not alive


@pytest.mark.slow
def test_without_a_sandbox_too_ranks_end_with_the_process_that_forked_them():
    with Nursery(["torch"], sandboxed=False) as nursery, nursery.child() as child:
        student = with_ranks(child)
        assert run(student, "ring", 3)[1].survived
        found: list[psutil.Process] = []

        def kill() -> None:
            found.extend(psutil.Process(child.pid).children(recursive=True))
            psutil.Process(child.pid).kill()

        threading.Timer(1.0, kill).start()
        with pytest.raises(Died):
            run(student, "one_hangs", 3, Fabric(3, bounds=Bounds(seconds=5.0)))
        assert len(found) == 3
        assert not psutil.wait_procs(found, timeout=20)[1]


# ---- the check's own mistakes, and the smaller parts


def test_a_check_that_misuses_a_fabric_is_told(student):
    fabric = Fabric(2)
    with pytest.raises(ValueError, match="3 lists of arguments for a fabric of 2"):
        student.parallel(student.ring, [()] * 3, fabric)
    run(student, "ring", 2, fabric)
    with pytest.raises(RuntimeError, match="make a new one"):
        run(student, "ring", 2, fabric)
    with pytest.raises(ValueError, match="1 to 16"):
        Fabric(17)


def test_a_fault_of_the_fabric_itself_is_raised_and_not_told_to_the_student(student, monkeypatch):
    monkeypatch.setattr(Fabric, "_choose", lambda self, ready: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(student, "ring", 2)


def test_an_interrupted_notebook_keeps_no_rank_running(monkeypatch):
    def interrupt(self, ready):
        raise KeyboardInterrupt

    monkeypatch.setattr(Fabric, "_choose", interrupt)
    names: dict = {}
    exec(STUDENT, names)
    with pytest.raises(KeyboardInterrupt):
        run(loopback(names), "ring", 3)  # that no thread stays is seen by `nothing_left_behind`


def test_a_short_chunk_that_may_be_several_sums_counts_as_each_of_them():
    """In fp16 two elements fit a quarter of another sum with these seeds; a right ring must not lose by it."""
    names: dict = {}
    exec(STUDENT, names)
    for seed in (50, 198, 263):
        inputs = torch.randn(4, 8, generator=torch.Generator().manual_seed(seed)).half()
        student, fabric = loopback(names), Fabric(4)
        student.parallel(student.ring, [(x,) for x in inputs], fabric)
        assert all(trace(fabric.log, list(inputs), (1.0, 0.25)).reached), seed


def test_a_rank_may_be_stopped_at_any_line_and_says_nothing(capfd):
    """Where a SystemExit arrives is chance: it may be after the student's function, on the thread's last lines."""
    names: dict = {}
    exec("def spin(comm, x):\n    while True:\n        pass", names)
    for _ in range(30):
        results, _ = run(loopback(names), "spin", 4, Fabric(4, bounds=Bounds(seconds=0.01)))
        assert all(isinstance(r, TimedOut) for r in results)
    assert capfd.readouterr().err == ""


def test_a_proxied_object_is_called_back_and_refuses_after_its_block(student):
    class Link:
        def __init__(self):
            self.seen = []

        def send(self, tensor, to):
            self.seen.append((tensor, to))

        def recv(self, frm):
            return torch.full((2,), 40 + frm)

    link = Link()
    with student.proxied(link, "send", "recv") as there:
        assert torch.equal(student.asks_in_vain(there), torch.tensor([41, 41]))
        student.keeps(there)
        results = student.parallel(student.calls_back, [(there,), (there,)], Fabric(2))
        assert all("a rank cannot call what the check lent" in r.text for r in results)
    assert [(t.tolist(), to) for t, to in link.seen] == [([1.0, 1.0, 1.0], 1)]
    with pytest.raises(StudentError, match="lent for one question only"):
        student.uses_what_it_kept()


def test_a_trace_takes_payloads_of_any_kind():
    """Whatever a rank can send, also what no sum looks like."""
    inputs = [torch.arange(1.0, 9.0), torch.arange(11.0, 19.0)]
    odd = [
        torch.full((4,), torch.nan), torch.full((4,), torch.inf), torch.ones(4, dtype=torch.complex64) * 1j,
        torch.ones(4, dtype=torch.bool), torch.zeros(4), torch.ones(50), torch.tensor(1e30),
        np.ones(4, ">f4"), np.ones(4, np.longdouble), np.ones(4, np.uint16),
        inputs[0] + torch.eye(8)[1],
    ]  # fmt: skip
    right = [inputs[0][2:5], np.asarray(inputs[0][:4].numpy(), ">f8"), torch.zeros(0), inputs[0].reshape(2, 4)]
    fabric = Fabric(2)
    ours, theirs = zip(*[socket.socketpair() for _ in range(2)], strict=True)
    for payload in odd + right:
        theirs[0].sendall(wire.pack(["send", 1, 0, payload], refuse))
    for sock in theirs:
        sock.sendall(wire.pack(["ok", None], refuse))
    fabric.conduct(ours, time.monotonic() + 20)
    for sock in (*ours, *theirs):
        sock.close()
    found = trace(fabric.log, inputs)
    assert [h.ranks for h in found.hops[: len(odd)]] == [None] * len(odd)
    assert [h.known for h in found.hops[len(odd) :]] == [True] * len(right)


def test_a_trace_of_a_flood_ends_soon(student):
    def flood(n: int) -> Fabric:
        fabric = Fabric(2, bounds=Bounds(operations=n))
        run(student, "floods", 2, fabric)
        assert len(fabric.log) == n
        return fabric

    start = time.monotonic()
    found = trace(flood(2_000).log, tensors(2))
    assert time.monotonic() - start < 20
    assert [h.known for h in found.hops] == [True] * MAX_TRACED + [False] * (2_000 - MAX_TRACED)


def test_a_rank_finds_no_arguments_but_its_own(nursery):
    look = (
        "def look(comm, secret):\n"
        "    import gc\n"
        "    start = ''.join(['sec', 'ret-'])\n"
        "    lists = [o for o in gc.get_objects() if type(o) in (list, tuple)]\n"
        "    return sorted({s for o in lists for s in o if type(s) is str and s[:7] == start and s != start})\n"
    )
    with nursery.child() as child:
        student = with_ranks(child)
        assert child.run(look) == []
        results = student.parallel(student.look, [([f"secret-{rank}"],) for rank in range(3)], Fabric(3))
    assert results == [[f"secret-{rank}"] for rank in range(3)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_rank_holds_no_socket_but_its_own(nursery):
    with nursery.child() as child:
        student = with_ranks(child)
        look = (
            "def sockets(comm):\n"
            "    found = 0\n"
            "    for fd in range(3, 64):\n"
            "        try:\n"
            "            found += os.readlink(f'/proc/self/fd/{fd}').startswith('socket')\n"
            "        except OSError:\n"
            "            pass\n"
            "    return found\n"
        )
        assert child.run(look) == []
        assert student.parallel(student.sockets, [()] * 4, Fabric(4)) == [1] * 4
