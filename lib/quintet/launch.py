"""Real processes that work together, on one machine: each runs `function(*args)` with `torch.distributed` set up.

    results = launch(train, world=4, args=(data,), seconds=60)      # by rank
    results = ranks(ring, [(x,) for x in inputs], seconds=60)       # ring(comm, x) as each rank

Processes: a host, started here, imports torch once and forks the ranks; they meet over a file in a folder of their own,
and gloo finds free ports on loopback by itself, so that any number of launches can run side by side. A notebook's
functions travel by value (cloudpickle), results come back as a file each. A rank that raises, dies or waits for ever
ends the launch with a report that says where each of them stood, and no process is left behind. Everything here is the
user's own code: this is no sandbox.
"""

import contextlib
import faulthandler
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudpickle

GRACE_SECONDS = 3.0  # for the others, once a rank has failed: most then fail too, and can say where
STACK_SECONDS = 0.3  # for the rest to write down where they are
LOOK_SECONDS = 0.02
SHOWN = 3  # frames of a rank's own code in the report


class LaunchError(RuntimeError):
    """At least one rank did not return. `ranks` says what became of each; the text is all of them, a line a rank."""

    def __init__(self, headline: str, ranks: list[str]):
        super().__init__("\n".join([headline, *(f"  rank {r}: {said}" for r, said in enumerate(ranks))]))
        self.ranks = ranks


def launch(
    function: Callable[..., Any], world: int, args: Sequence[Any] = (), seconds: float = 60.0, threads: int = 1
) -> list[Any]:
    """What `function(*args)` returned on each of `world` ranks; `torch.distributed.get_rank()` tells a rank its number.

    seconds: for all ranks together, start-up (2 to 5 s of imports) included. threads: of PyTorch in each process.
    Raises ValueError for a world below 1, LaunchError when a rank fails or time is up.
    """
    if world < 1:
        raise ValueError(f"expected at least one rank, received {world}")
    with tempfile.TemporaryDirectory(prefix="quintet-launch-") as name:
        folder = Path(name)
        (folder / "work").write_bytes(cloudpickle.dumps((function, tuple(args))))
        host = _start(folder, world, seconds, threads)
        try:
            late = _wait(host, folder, seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(host.pid, signal.SIGKILL)  # the host leads a group of its own, and all ranks are in it
            host.wait()
        said = [_said(folder, rank) for rank in range(world)]
        if any(text != "returned" for text in said):
            raise LaunchError(f"time was up after {seconds:g} s" if late else "not every rank returned", said)
        return [pickle.loads((folder / f"{rank}.result").read_bytes()) for rank in range(world)]


def ranks(function: Callable[..., Any], argss: Sequence[Sequence[Any]], seconds: float = 60.0) -> list[Any]:
    """What `function(comm, *args)` returned on each rank, as many as `argss` has; `comm` as a fabric's, see `Comm`.

    Raises as `launch` does.
    """
    return launch(_with_comm, len(argss), (function, list(argss)), seconds)


def _with_comm(function: Callable[..., Any], argss: list[Sequence[Any]]) -> Any:
    comm = Comm()
    return function(comm, *argss[comm.rank])


class Comm:
    """What `quintet.student.ranks.Comm` is on a fabric, here over torch.distributed: rank `rank` of `world`.

    A message is a header with dtype and shape, then the numbers. Messages from one rank to another with the same tag
    arrive in the order in which they were sent.
    """

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self._asked: dict[tuple[int, int], deque[_Receive]] = {}

    def send(self, tensor: Any, to: int, tag: int = 0) -> None:
        """Returns when `to` has received it: gloo keeps nothing on the way."""
        self.isend(tensor, to, tag).wait()

    def recv(self, frm: int, tag: int = 0) -> Any:
        """Waits for the next message from `frm`."""
        return self.irecv(frm, tag).wait()

    def isend(self, tensor: Any, to: int, tag: int = 0) -> "_Send":
        """Starts to send a copy; `wait()` on what is returned ends as `send` does."""
        return _Send(tensor, self._other(to), tag)

    def irecv(self, frm: int, tag: int = 0) -> "_Receive":
        """Asks for the next message from `frm`; `wait()` on what is returned gives it."""
        asked = self._asked.setdefault((self._other(frm), tag), deque())
        asked.append(_Receive(frm, tag, asked))
        return asked[-1]

    def _other(self, rank: int) -> int:
        if not 0 <= rank < self.world or rank == self.rank:
            raise ValueError(f"rank {self.rank} of {self.world} cannot send to or receive from rank {rank}")
        return rank


DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
HEADER = 10  # dtype, dimensions, then at most 8 sizes


class _Send:
    def __init__(self, tensor: Any, to: int, tag: int):
        import torch
        import torch.distributed as dist

        name = str(tensor.dtype).removeprefix("torch.")
        if name not in DTYPES or tensor.dim() > HEADER - 2:
            raise ValueError(f"a message is a tensor of {', '.join(DTYPES)} with at most 8 dimensions, not {name}")
        head = [DTYPES.index(name), tensor.dim(), *tensor.shape] + [0] * HEADER
        self._parts = [torch.tensor(head[:HEADER]), tensor.detach().reshape(-1).clone().view(torch.uint8)]
        self._works = [dist.isend(p, to, tag=2 * tag + i) for i, p in enumerate(self._parts) if len(p)]

    def wait(self) -> None:
        for work in self._works:
            work.wait()


class _Receive:
    def __init__(self, frm: int, tag: int, asked: "deque[_Receive]"):
        self._frm, self._tag, self._asked, self._got = frm, tag, asked, None

    def wait(self) -> Any:
        while self._got is None:  # those asked for before come first
            self._asked.popleft()._receive()
        return self._got

    def _receive(self) -> None:
        import torch
        import torch.distributed as dist

        head = torch.zeros(HEADER, dtype=torch.int64)
        dist.recv(head, self._frm, tag=2 * self._tag)
        dtype, dim, *shape = head.tolist()
        self._got = torch.empty(shape[:dim], dtype=getattr(torch, DTYPES[dtype]))
        numbers = self._got.view(-1).view(torch.uint8)
        if len(numbers):
            dist.recv(numbers, self._frm, tag=2 * self._tag + 1)


def _start(folder: Path, world: int, seconds: float, threads: int) -> subprocess.Popen:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),  # for the modules that the function comes from
        "OMP_NUM_THREADS": str(threads),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }
    with open(folder / "log", "wb") as log:
        words = [sys.executable, "-m", "quintet.launch", folder, str(world), str(seconds)]
        return subprocess.Popen(
            words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _wait(host: subprocess.Popen, folder: Path, seconds: float) -> bool:
    """Until all have ended, or one has failed and the others had time to notice; those that are left then write down
    where they are. True if it was the clock."""
    until, failed = time.monotonic() + seconds, False
    while host.poll() is None:
        if not failed and any(code.read_text() != "0" for code in folder.glob("*.code")):
            failed, until = True, min(until, time.monotonic() + GRACE_SECONDS)
        if time.monotonic() > until:
            os.killpg(host.pid, signal.SIGUSR1)
            time.sleep(STACK_SECONDS)
            return not failed
        time.sleep(LOOK_SECONDS)
    return False


def _said(folder: Path, rank: int) -> str:
    """What became of a rank, in a line."""
    result, error, stack, code = (folder / f"{rank}.{kind}" for kind in ("result", "error", "stack", "code"))
    if result.exists():
        return "returned"
    if error.exists():
        return error.read_text(encoding="utf-8")
    if code.exists():
        return f"ended with code {code.read_text()}"
    if stack.exists():
        return f"did not return; it was in {_where(stack.read_text(errors='replace'))}"
    said = (folder / "log").read_text(errors="replace").strip().splitlines()
    return f"did not start{f': {said[-1]}' if said else ''}"


def _where(dump: str) -> str:
    """The frames nearest to where it waits that are not a library's, innermost first, from what faulthandler wrote."""
    main = dump.split("(most recent call first):")[-1]  # the main thread comes last
    frames = re.findall(r'File "(.+)", line (\d+) in (.+)', main)
    own = [f"{name} ({_place(path, line)})" for path, line, name in frames if _own(path)]
    return " ← ".join(own[:SHOWN]) or "its start-up"


def _place(path: str, line: object) -> str:
    """A file and line; a notebook's cells have file names that nobody has seen."""
    return f"line {line} of its cell" if "ipykernel_" in path else f"{Path(path).name}:{line}"


def _own(path: str) -> bool:
    return "site-packages" not in path and "<frozen" not in path and Path(path) != Path(__file__)


# ---- in the host


def _host(folder: Path, world: int, seconds: float) -> None:
    _end_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    import torch.distributed  # noqa: F401  once for all ranks

    work = (folder / "work").read_bytes()
    pids = {}
    for rank in range(world):
        pid = os.fork()
        if pid == 0:
            try:
                _rank(folder, rank, world, seconds, work)
            finally:
                os._exit(1)
        pids[pid] = rank
    while pids:
        pid, status = os.wait()
        made = folder / f"{pids[pid]}.ended"
        made.write_text(str(os.waitstatus_to_exitcode(status)))
        made.rename(folder / f"{pids.pop(pid)}.code")  # whole when it appears


def _rank(folder: Path, rank: int, world: int, seconds: float, work: bytes) -> None:
    """One rank; never returns."""
    import torch.distributed as dist

    with open(folder / f"{rank}.stack", "w") as stack:
        faulthandler.register(signal.SIGUSR1, file=stack)
        _end_with_parent()
        patience = timedelta(seconds=seconds + 10)  # the launcher's clock is the one that ends a wait
        store = dist.FileStore(str(folder / "meet"), world)
        try:
            dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=patience)
            function, args = pickle.loads(work)
            result = cloudpickle.dumps(function(*args))
        except BaseException as error:
            own = [f for f in traceback.extract_tb(error.__traceback__) if _own(f.filename)]
            where = f" ({_place(own[-1].filename, own[-1].lineno)})" if own else ""
            text = f"raised {type(error).__name__}: {str(error)[:300]}{where}"
            (folder / f"{rank}.error").write_text(text, encoding="utf-8")
            os._exit(1)  # at once: others may wait for this rank, and see its connections close
        (folder / f"{rank}.result").write_bytes(result)
        with contextlib.suppress(RuntimeError):  # another rank has failed
            dist.barrier()  # who has finished must not close connections that others still use
        os._exit(0)


def _end_with_parent() -> None:
    """However it ends; where the kernel can be asked for that."""
    with contextlib.suppress(ImportError, OSError):
        from quintet.student.jail import die_with_parent

        die_with_parent()


if __name__ == "__main__":
    _host(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
