"""measure: against a device whose clock is known, and against bytes that can be counted by hand."""

import getpass
import json
import os
import platform

import numpy as np
import pytest
import torch
from torch import nn

from quintet import measure
from quintet.measure import Timing


class AsyncDevice:
    """A device that queues work and returns at once. All times are sums of powers of 2, so equality is exact."""

    def __init__(self):
        self.now = self.idle_at = 0.0
        self.slowdown = 1.0

    def launch(self, work, host=0.125):
        self.now += host
        self.idle_at = max(self.now, self.idle_at) + work * self.slowdown

    def clock(self):
        return self.now

    def synchronize(self, device):
        self.now = max(self.now, self.idle_at)


# ------------------------------------------------------------------------------------------------------- benchmark


def test_benchmark_times_the_work_and_not_the_launch():
    device = AsyncDevice()
    unsynchronised = measure.benchmark(lambda: device.launch(4.0), clock=device.clock, synchronize=lambda d: None)
    assert set(unsynchronised.samples) == {0.125}, "precondition: without waiting, only the launch is seen"

    device = AsyncDevice()
    timing = measure.benchmark(lambda: device.launch(4.0), clock=device.clock, synchronize=device.synchronize)
    assert timing.samples == (4.125,) * 20


def test_no_sample_pays_for_work_queued_before_it():
    def with_backlog(**kwargs):
        device = AsyncDevice()
        device.launch(1024.0)
        return measure.benchmark(
            lambda: device.launch(4.0), warmup=0, repeats=3, clock=device.clock, synchronize=kwargs["wait"](device)
        )

    class AfterOnly:  # a harness that waits only after a sample: every second call is the one after
        def __init__(self, device):
            self.device, self.calls = device, 0

        def __call__(self, _):
            self.calls += 1
            if self.calls % 2 == 0:
                self.device.synchronize(_)

    assert with_backlog(wait=AfterOnly).samples[0] > 1000, "precondition: the backlog would be charged to the first"
    assert with_backlog(wait=lambda device: device.synchronize).samples == (4.125,) * 3


def test_warm_up_is_thrown_away():
    def run(warmup):
        device, calls = AsyncDevice(), iter([256.0, 64.0] + [4.0] * 30)
        return measure.benchmark(
            lambda: device.launch(next(calls)), warmup=warmup, clock=device.clock, synchronize=device.synchronize
        )

    assert run(0).samples[:2] == (256.125, 64.125), "precondition: the first calls are slow"
    assert run(2).samples == (4.125,) * 20


def test_budget_stops_early_but_never_without_a_sample():
    def run(budget):
        device = AsyncDevice()
        return measure.benchmark(
            lambda: device.launch(1.0, host=0.0), budget_seconds=budget, clock=device.clock,
            synchronize=device.synchronize,
        )  # fmt: skip

    assert len(run(None).samples) == 20
    assert len(run(8.0).samples) == 5  # 3 to warm up, 5 samples
    assert len(run(4.0).samples) == 2  # warm-up ends at half the budget
    assert len(run(0.0).samples) == 1


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warmup": -1}])
def test_impossible_counts_are_refused(wrong):
    with pytest.raises(ValueError, match="repeats"):
        measure.benchmark(lambda: None, **wrong)


def test_real_clock_sees_more_work_take_longer():
    timings = measure.compare({"one": lambda: sum(range(10_000)), "ten": lambda: sum(range(100_000))}, repeats=9)
    assert measure.ratio(timings["ten"], timings["one"]).median > 2


# --------------------------------------------------------------------------------------------------------- compare


def test_compare_interleaves_and_rotates():
    calls = []
    measure.compare({name: lambda name=name: calls.append(name) for name in "abc"}, warmup=1, repeats=3)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"


def test_ratio_survives_a_machine_that_slows_down():
    def drifting(device, work):
        def f():
            device.slowdown *= 1 + 1 / 64
            device.launch(work, host=0.0)

        return f

    device = AsyncDevice()
    how = {"clock": device.clock, "synchronize": device.synchronize}
    apart = [measure.benchmark(drifting(device, work), **how) for work in (1.0, 2.0)]
    assert apart[1].median / apart[0].median > 2.5, "precondition: one after the other, the drift looks like an effect"

    timings = measure.compare({"ours": drifting(device, 1.0), "peer": drifting(device, 2.0)}, **how)
    median, low, high = measure.ratio(timings["peer"], timings["ours"])
    assert low <= 2 <= high
    assert median == pytest.approx(2, rel=1 / 60)  # within a round the drift is 1/64, in turns for and against


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(1, 1, 1), (5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (20, 6, 15)],  # ranks of the usual sign-test table
)
def test_interval_of_the_ratio_is_that_of_the_sign_test(n, low, high):
    peer, ours = Timing(tuple(float(i) for i in range(n, 0, -1))), Timing((1.0,) * n)
    assert measure.ratio(peer, ours) == ((n + 1) / 2, low, high)


def test_ratio_refuses_what_is_not_paired():
    a, b = measure.benchmark(lambda: None, repeats=5), measure.benchmark(lambda: None, repeats=5)
    with pytest.raises(ValueError, match="different runs"):
        measure.ratio(a, b)
    with pytest.raises(ValueError, match="no measurable time"):
        measure.ratio(Timing((1.0,)), Timing((0.0,)))


def test_timing_summary_agrees_with_numpy():
    samples = tuple(np.random.default_rng(0).exponential(size=21))
    timing = Timing(samples)
    expected = np.quantile(samples, [0.25, 0.5, 0.75])
    assert np.allclose([timing.q1, timing.median, timing.q3], expected, rtol=1e-12)
    assert timing.spread == timing.q3 - timing.q1
    assert str(Timing((0.0119, 0.0123, 0.0130), "cuda:0")) == "12.3 ms (IQR 12.1–12.7, n=3, cuda:0)"
    assert str(Timing((2.0,))) == "2.00 s (IQR 2.00–2.00, n=1, cpu)"
    with pytest.raises(ValueError, match="at least one sample"):
        Timing(())


# --------------------------------------------------------------------------------------------------- saved tensors


def test_saved_bytes_of_a_small_network_counted_by_hand():
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    x = torch.randn(11, 5)
    saved = measure.saved_tensors(lambda: net(x).sum())
    # Linear 1 saves x. ReLU saves its result, and Linear 2 saves the same storage as its input: once.
    # Linear 2 needs its weight for the gradient of its input; Linear 1 does not, because x asks for none.
    assert saved.by_dtype == {torch.float32: 4 * (11 * 5 + 11 * 7)}
    assert saved.parameters == 4 * 7 * 3
    assert (saved.total, saved.count) == (4 * (55 + 77), 2)


def test_a_view_counts_as_the_storage_it_keeps_alive():
    x = torch.randn(100, 10)
    w = torch.randn(10, requires_grad=True)
    assert measure.saved_tensors(lambda: (x[:2] * w).sum()).total == 4 * 1000
    assert measure.saved_tensors(lambda: (x[:2].clone() * w).sum()).total == 4 * 20


def test_a_view_of_a_parameter_is_the_parameter():
    w = nn.Parameter(torch.randn(6, 4))
    x = torch.randn(3, 6, requires_grad=True)  # a leaf that asks for its gradient: counted apart as well
    saved = measure.saved_tensors(lambda: (x @ w.view(6, 4)).sum())
    assert (saved.total, saved.parameters) == (0, 4 * (24 + 18))


def test_autocast_saves_half_the_bytes_for_activations_and_a_copy_of_the_weight():
    net, x = nn.Linear(8, 8, bias=False), torch.randn(16, 8)

    def forward():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return net(torch.relu(net(x))).sum()

    saved = measure.saved_tensors(forward)
    # bf16 x, the ReLU's result, and the cast weight: it is a copy, not the parameter.
    assert saved.by_dtype[torch.bfloat16] == 2 * (16 * 8 + 16 * 8 + 8 * 8)
    assert saved.parameters == 0


def test_meta_sparse_and_nothing():
    with torch.device("meta"):
        big = nn.Linear(100_000, 100_000, bias=False)
        x = torch.empty(10, 100_000)
    assert measure.saved_tensors(lambda: torch.relu(big(x))).total == 4 * 2 * 10 * 100_000

    s = torch.eye(4).to_sparse()
    w = torch.randn(4, 4, requires_grad=True)
    assert measure.saved_tensors(lambda: torch.sparse.mm(s, w)).total == 2 * 4 * 8 + 4 * 4  # int64 indices, fp32 values

    with torch.no_grad():
        assert measure.saved_tensors(lambda: w @ w) == measure.SavedTensors({}, 0, 0)


def test_each_step_of_a_loop_counts_and_gradients_are_unchanged():
    w = torch.randn(9, requires_grad=True)
    assert measure.saved_tensors(lambda: [w.exp().sum().backward() for _ in range(3)]).total == 3 * 4 * 9
    assert torch.allclose(w.grad, 3 * w.detach().exp())


# ------------------------------------------------------------------------------------------------------------ peak


def test_peak_counted_by_hand():
    def f():
        a = torch.empty(1000)
        b = torch.empty(2000)  # 12,000 bytes are alive here
        del a
        return b, torch.empty(500)  # 10,000 here

    assert measure.peak_bytes(f) == 12_000


def test_peak_is_of_new_bytes_and_silent_about_old_ones(capfd):
    held = [torch.empty(1000)]

    def swap():
        held.pop()  # the docstring says so: the profiler cannot subtract what it did not see come
        held.append(torch.empty(1500))

    assert measure.peak_bytes(swap) == 6000
    assert measure.peak_bytes(held.clear) == 0
    assert measure.peak_bytes(lambda: None) == 0
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="cpu and cuda"):
        measure.peak_bytes(lambda: None, "meta")


def test_peak_hides_no_other_stderr_and_no_error(capfd):
    def complain():
        os.write(2, b"something else\n")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        measure.peak_bytes(complain)
    assert capfd.readouterr().err == "something else\n"


def test_peak_sees_the_backward_pass():
    w = torch.randn(1000, requires_grad=True)
    forward = measure.peak_bytes(lambda: w.exp().sum())
    both = measure.peak_bytes(lambda: w.exp().sum().backward())
    assert 4000 <= forward < 4100
    assert 8000 <= both < 12_100  # the saved result, and the gradient


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_peak_and_time_on_a_gpu():
    assert measure.peak_bytes(lambda: torch.empty(1 << 20, device="cuda"), "cuda") == 4 << 20
    x = torch.randn(4096, 4096, device="cuda")
    waits = measure.benchmark(lambda: x @ x, device="cuda")
    does_not = measure.benchmark(lambda: x @ x, device="cuda", synchronize=lambda device: None)
    assert waits.median > 2 * does_not.median


# --------------------------------------------------------------------------------------------------------- machine


def test_machine_is_json_and_names_nobody():
    facts = measure.machine()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
    assert facts["cpu"]["usable_cores"] >= 1 and facts["memory"]["total_bytes"] > 2**28
    assert len(facts["cuda"]) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        # torch asks the processor itself: an independent witness.
        assert ("avx2" in facts["cpu"]["isa"]) == torch.backends.cpu.get_cpu_capability().startswith("AVX")
    text = json.dumps(facts)
    names = [platform.node(), getpass.getuser()]
    assert not [name for name in names if len(name) > 4 and name in text] and "/home" not in text


def _write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_cgroup_limits_version_2(tmp_path):
    base = "sys/fs/cgroup"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            f"{base}/job/memory.max": "1073741824\n",  # the parent binds
            f"{base}/job/step/memory.max": "max\n",
            f"{base}/job/cpu.max": "150000 100000\n",
            f"{base}/job/step/cpu.max": "max 100000\n",
        },
    )
    assert measure._memory_limit(root) == 2**30
    assert measure._cpu_quota(root) == 1.5


def test_cgroup_limits_version_1_and_a_path_that_only_exists_outside(tmp_path):
    base = "sys/fs/cgroup"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/0123\n1:cpu,cpuacct:/docker/0123\n0::/\n",
            f"{base}/memory/memory.limit_in_bytes": "536870912\n",
            f"{base}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{base}/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert measure._memory_limit(root) == 2**29
    assert measure._cpu_quota(root) is None


def test_no_cgroups_no_limits(tmp_path):
    assert measure._memory_limit(tmp_path) is None and measure._cpu_quota(tmp_path) is None


# ------------------------------------------------------------------------------------------------------------ text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (2**20 - 1, "1.00 MiB"), (5 * 2**20, "5.00 MiB"),
     (240_000_000, "229 MiB"), (24e9, "22.4 GiB"), (2**60, "1024 PiB"), (-2048, "-2.00 KiB")],
)  # fmt: skip
def test_bytes_text(n, text):
    assert measure.bytes_text(n) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2e-9, "2.00 ns"), (1.5e-6, "1.50 µs"), (0.0123, "12.3 ms"), (0.99996, "1.00 s"), (90, "90.0 s"),
     (150, "2.50 min"), (9000, "2.50 h")],
)  # fmt: skip
def test_seconds_text(seconds, text):
    assert measure.seconds_text(seconds) == text
