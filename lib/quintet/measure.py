"""How long, how much memory, on which machine.

Three rules that every number in this course obeys:

1. *Warm up, then wait.* The first calls pay for caches, kernels and allocators, and an accelerator answers before it
   has finished. `benchmark` discards the first calls and synchronises on both sides of the clock.
2. *Compare in one run.* A shared machine drifts by more than most effects. `compare` interleaves its candidates round
   by round, and `ratio` divides within each round.
3. *Say where.* `machine` is the provenance that is stored beside a measured number.

Units: seconds and bytes, everywhere. `seconds_text` and `bytes_text` are for people.
"""

from __future__ import annotations

import gc
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

# The profiler's backend reports its own state on stderr, and takes this setting when it first runs.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import psutil
import torch

__all__ = [
    "Ratio", "SavedTensors", "Timing", "benchmark", "bytes_text", "compare", "machine", "peak_bytes", "ratio",
    "saved_tensors", "seconds_text", "synchronize",
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------- time


def synchronize(device: torch.device | str) -> None:
    """Wait until `device` has done all the work that it was given. A CPU's operators return only when they are done."""
    device = torch.device(device)
    if device.type not in ("cpu", "meta"):
        torch.accelerator.synchronize(device)


@dataclass(frozen=True)
class Timing:
    """Repeated timings of one thing.

    samples: seconds, one for each repeat, in the order taken. From `compare`, sample i belongs to round i.
    run: which call of `benchmark` or `compare` took them; `ratio` uses it to refuse samples that are not paired.
    """

    samples: tuple[float, ...]
    device: str = "cpu"
    run: int | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("a Timing needs at least one sample; got none")
        object.__setattr__(self, "samples", tuple(self.samples))

    def _quartile(self, which: int) -> float:
        if len(self.samples) == 1:
            return self.samples[0]
        return statistics.quantiles(self.samples, n=4, method="inclusive")[which - 1]

    @property
    def median(self) -> float:
        """The middle sample. Unlike the mean, one interruption by another process does not move it."""
        return statistics.median(self.samples)

    @property
    def q1(self) -> float:
        return self._quartile(1)

    @property
    def q3(self) -> float:
        return self._quartile(3)

    @property
    def spread(self) -> float:
        """Interquartile range in seconds: the width of the middle half of the samples."""
        return self.q3 - self.q1

    def __str__(self) -> str:
        scale, unit = _seconds_unit(self.median)
        digits = _digits(self.median / scale)
        low, high = (f"{q / scale:.{digits}f}" for q in (self.q1, self.q3))
        middle = f"{self.median / scale:.{digits}f} {unit}"
        return f"{middle} (IQR {low}–{high}, n={len(self.samples)}, {self.device})"


_runs = itertools.count(1)


def benchmark(
    f: Callable[[], object],
    *,
    device: torch.device | str = "cpu",
    warmup: int = 3,
    repeats: int = 20,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    synchronize: Callable[[Any], None] = synchronize,
) -> Timing:
    """Time `f()`: `warmup` calls that are thrown away, then `repeats` samples, each synchronised before and after.

    budget_seconds: stop early when this much of `clock` has passed, warm-up included (which may use half of it). One
    sample is always taken, so a slow call can exceed the budget.
    clock, synchronize: replaceable, so that a simulated device with a known clock can test the procedure.

    Raises ValueError if `repeats` < 1 or `warmup` < 0. What `f` raises passes through.
    """
    return compare(
        {"f": f}, device=device, warmup=warmup, repeats=repeats, budget_seconds=budget_seconds, clock=clock,
        synchronize=synchronize,
    )["f"]  # fmt: skip


def compare(
    candidates: Mapping[str, Callable[[], object]],
    *,
    device: torch.device | str = "cpu",
    warmup: int = 3,
    repeats: int = 20,
    budget_seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    synchronize: Callable[[Any], None] = synchronize,
) -> dict[str, Timing]:
    """Time several candidates in one run, interleaved round by round; the order rotates, so that none is always first.

    One round takes one sample of each, so whatever the machine does to a round it does to all of them: compare with
    `ratio`, not by dividing medians. Arguments and errors as in `benchmark`; the budget is that of the whole run.
    """
    if not candidates:
        raise ValueError("compare needs at least one candidate {name: function}; got none")
    if repeats < 1 or warmup < 0:
        raise ValueError(f"expected repeats ≥ 1 and warmup ≥ 0; got repeats={repeats}, warmup={warmup}")
    began = clock()

    def spent(share: float) -> bool:
        return budget_seconds is not None and clock() - began >= share * budget_seconds

    for _ in range(warmup):
        for f in candidates.values():
            f()
        synchronize(device)
        if spent(0.5):
            break

    names = list(candidates)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(repeats):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            synchronize(device)  # else this sample pays for work that was queued before it
            start = clock()
            candidates[name]()
            synchronize(device)  # else it measures how fast work is queued, not how fast it is done
            samples[name].append(clock() - start)
        if spent(1.0):
            break

    run = next(_runs)
    return {name: Timing(tuple(samples[name]), str(device), run) for name in names}


class Ratio(NamedTuple):
    """How many times as long the peer takes (above 1: ours is faster), and an interval of that median (see `ratio`)."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f}× ({self.low:.2f}–{self.high:.2f})"


def ratio(peer: Timing, ours: Timing) -> Ratio:
    """Median of the per-round ratios peer ÷ ours, with a confidence interval of that median.

    The interval is made of order statistics and assumes no distribution: of n independent ratios the k-th smallest and
    the k-th largest enclose the true median with probability 1 − 2·P[Binomial(n, ½) < k]; k is the largest that leaves
    at least 95 %. With n < 6 no k does, and the interval is the smallest and the largest ratio (n = 5: 93.75 %). Rounds
    that share a disturbance are not independent: then it is too narrow.

    Raises ValueError if the two were not timed in the same run, because then nothing is paired.
    """
    if peer.run != ours.run or len(peer.samples) != len(ours.samples):
        raise ValueError("these timings come from different runs; time both in one call of compare()")
    if min(ours.samples) <= 0:
        raise ValueError("a sample took no measurable time; let the function do more work per call")
    ratios = sorted(p / o for p, o in zip(peer.samples, ours.samples, strict=True))
    n = len(ratios)
    k = 1
    while 2 * sum(comb(n, i) for i in range(k + 1)) <= 0.05 * 2**n:
        k += 1
    return Ratio(statistics.median(ratios), ratios[k - 1], ratios[n - k])


# -------------------------------------------------------------------------------------------------------------- memory


@dataclass(frozen=True)
class SavedTensors:
    """What autograd keeps for the backward pass, in bytes; each storage is counted once and whole.

    by_dtype: bytes by dtype, parameters left out.
    parameters: bytes of leaf tensors that require grad. They exist anyway, so saving them costs nothing more.
    count: number of storages in `by_dtype`.
    """

    by_dtype: dict[torch.dtype, int]
    parameters: int
    count: int

    @property
    def total(self) -> int:
        """Bytes kept, parameters left out: the "activations" of a memory budget."""
        return sum(self.by_dtype.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{str(d).removeprefix('torch.')} {bytes_text(n)}" for d, n in self.by_dtype.items())
        return f"{bytes_text(self.total)} in {self.count} storages ({parts or 'nothing'}); parameters apart: " + (
            bytes_text(self.parameters)
        )


def saved_tensors(f: Callable[[], object]) -> SavedTensors:
    """Count the bytes that autograd saves for backward while `f()` runs (normally: a forward pass and its loss).

    Counted: whatever operators and `ctx.save_for_backward` save, on any device, `meta` included, so a model that does
    not fit can be counted too. A storage that several operators save counts once; a view counts as the storage that it
    keeps alive. The input batch counts where a layer saves it, and so do a batch norm's running statistics. Not
    counted: tensors that a function keeps in another way (`ctx.x = x`), scratch memory, and the allocator's rounding.
    All of it is held until `f` returns: a loop of n steps counts n steps.
    """
    seen: dict[int, tuple[torch.UntypedStorage, torch.dtype, bool]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        origin = tensor if tensor._base is None else tensor._base
        is_parameter = origin.is_leaf and origin.requires_grad
        for part in _strided_parts(tensor):
            storage = part.untyped_storage()
            # Holding the storage keeps its address from being used again, so the address can stand for it.
            _, dtype, known = seen.get(storage._cdata, (storage, part.dtype, False))
            seen[storage._cdata] = (storage, dtype, known or is_parameter)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        f()

    by_dtype: dict[torch.dtype, int] = {}
    parameters = count = 0
    for storage, dtype, is_parameter in seen.values():
        if is_parameter:
            parameters += storage.nbytes()
        else:
            by_dtype[dtype] = by_dtype.get(dtype, 0) + storage.nbytes()
            count += 1
    return SavedTensors(by_dtype, parameters, count)


def _strided_parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensors with a storage that make up a tensor: itself, or the indices and values of a sparse one."""
    if tensor.layout is torch.strided:
        return [tensor]
    tensor = tensor.detach()
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return []  # an opaque layout (mkldnn) has no storage that can be counted


def peak_bytes(f: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Peak of the tensor bytes that `f()` allocates, above what was there before it. What `f` returns is dropped.

    CPU: the running sum of the profiler's memory events. Counted: every tensor that PyTorch's allocator hands out,
    operators' scratch tensors and the backward pass included. Not counted: memory that libraries take for themselves
    (oneDNN and MKL workspaces, NumPy, Python objects), other Python threads and processes (a loader's workers), and
    what the allocator keeps after a tensor is freed. The profiler knows no tensor from before `f`, so one that `f`
    frees is not subtracted: clear old gradients before a training step, or they count as still there. Give it one
    step, not an epoch: every allocation is an event.
    CUDA: `max_memory_allocated` with the statistic reset first, less what was allocated then; in blocks rounded up to
    512 bytes, and what `f` frees is subtracted. Not counted: context, workspaces outside the allocator, cached blocks;
    `nvidia-smi` shows them.

    Raises ValueError for other devices.
    """
    device = torch.device(device)
    gc.collect()  # garbage that happens to be collected inside f would lower the peak
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        f()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if device.type != "cpu":
        raise ValueError(f"peak_bytes knows cpu and cuda; got {device.type}: use that backend's own statistics")

    activities = [torch.profiler.ProfilerActivity.CPU]
    with _without_stderr_line(b"allocated before the profiling started"):  # expected: see above
        with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
            f()
    events = [
        (event.start_ns(), event.nbytes())
        for event in profile.profiler.kineto_results.events()
        if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU
    ]
    events.sort(key=lambda event: event[0])  # stable: events of one nanosecond stay in order
    return max(itertools.accumulate((size for _, size in events), initial=0))


@contextmanager
def _without_stderr_line(part: bytes) -> Iterator[None]:
    """Hold back what C++ writes to stderr meanwhile, then write it, but for lines that contain `part`."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if part not in line:
                    os.write(2, line)


# ------------------------------------------------------------------------------------------------------------- machine

ISA_FLAGS = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni", "amx_tile",
    "amx_int8", "amx_bf16", "neon", "asimd", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """What this machine is: plain JSON values, for the provenance of a number. No host, user or path in it.

    Keys: `platform`, `python`, `torch`; `cpu` {model, physical_cores, logical_cores, usable_cores, quota_cores, isa,
    torch_isa, torch_threads}; `memory` {total_bytes, limit_bytes} (limit: the control group's, null where it does not
    bind); `cuda_version` and `cuda`, a list of {name, capability, memory_bytes, multiprocessors}. What cannot be found
    out is null.
    """
    total = psutil.virtual_memory().total
    limit = _memory_limit()
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": {
            "model": _cpu_model(),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": _usable_cores(),
            "quota_cores": _cpu_quota(),
            "isa": _isa_flags(),
            "torch_isa": torch.backends.cpu.get_cpu_capability(),
            "torch_threads": torch.get_num_threads(),
        },
        "memory": {"total_bytes": total, "limit_bytes": limit if limit is not None and limit < total else None},
        "cuda_version": torch.version.cuda,
        "cuda": _cuda_devices(),
    }


def _cpuinfo(key: str) -> str | None:
    """The first value of `key` in Linux's /proc/cpuinfo, or None."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _cpu_model() -> str | None:
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip() or None
    return _cpuinfo("model name") or _cpuinfo("Model") or platform.processor() or None


def _isa_flags() -> list[str] | None:
    flags = _cpuinfo("flags") or _cpuinfo("Features")  # x86, Arm
    return None if flags is None else [flag for flag in ISA_FLAGS if flag in flags.split()]


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _cpu_quota(root: Path = Path("/")) -> float | None:
    """The control group's share of processor time in cores, or None where it sets none."""

    def cores(directory: Path) -> float:
        if (directory / "cpu.max").exists():
            quota, period = (directory / "cpu.max").read_text().split()
        else:
            quota, period = ((directory / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(quota) / float(period)  # "max" is not a number: no limit

    return _smallest(cores, _cgroup_directories("cpu", root))


def _memory_limit(root: Path = Path("/")) -> int | None:
    """The control group's memory limit in bytes, or None where it sets none."""

    def limit(directory: Path) -> int:
        file = directory / "memory.max"
        return int((file if file.exists() else directory / "memory.limit_in_bytes").read_text())  # "max": no limit

    return _smallest(limit, _cgroup_directories("memory", root))


def _smallest(read: Callable[[Path], float], directories: Sequence[Path]) -> Any:
    """The smallest limit that `read` finds: every group on the way to the root binds."""
    values = []
    for directory in directories:
        try:
            values.append(read(directory))
        except (OSError, ValueError):  # no such controller here, or no limit set
            continue
    return min((value for value in values if value > 0), default=None)  # version 1 writes -1 for "none"


def _cgroup_directories(controller: str, root: Path) -> list[Path]:
    """This process's control group and its parents, version 2 (`0::/path`) and version 1 (`4:memory:/path`)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / (controller if controllers else "")
        # A container often sees its own group mounted as the root, under a path that does not exist inside.
        group = base / path.lstrip("/")
        found += [d for d in (group, *group.parents) if d.is_relative_to(base) and d.is_dir()]
    return found


def _cuda_devices() -> list[dict[str, Any]]:
    if not torch.cuda.is_available():
        return []
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [
        {
            "name": device.name,
            "capability": f"{device.major}.{device.minor}",
            "memory_bytes": device.total_memory,
            "multiprocessors": device.multi_processor_count,
        }
        for device in devices
    ]


# ---------------------------------------------------------------------------------------------------------------- text


def _digits(value: float) -> int:
    """Decimals that give three significant digits between 1 and 1,000."""
    return 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2


def _seconds_unit(seconds: float) -> tuple[float, str]:
    for scale, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(seconds) >= (2 * scale if scale > 1 else 0.9995 * scale):  # 90 s reads easier than 1.50 min
            return scale, unit
    return 1e-9, "ns"


def seconds_text(seconds: float) -> str:
    """`0.0123` → `12.3 ms`: three significant digits, from nanoseconds to hours."""
    if seconds == 0:
        return "0 s"
    scale, unit = _seconds_unit(seconds)
    return f"{seconds / scale:.{_digits(seconds / scale)}f} {unit}"


def bytes_text(n: float) -> str:
    """`5_242_880` → `5.00 MiB`: three significant digits, in powers of 1,024 (1 GiB = 2³⁰ bytes; 1 GB = 10⁹)."""
    if abs(n) < 1024:
        return f"{n:.0f} B"
    value, units = n / 1024, ["KiB", "MiB", "GiB", "TiB", "PiB"]
    while abs(value) >= 1023.5 and len(units) > 1:  # 1,023.5 would be printed as 1024
        value, units = value / 1024, units[1:]
    return f"{value:.{_digits(value)}f} {units[0]}"
