"""The process that student code runs in: a nursery imports the heavy libraries and forks one child a submission.

    python -m quintet.student.serve FD SETTINGS

FD is one end of a Unix socket pair, the grader holds the other; SETTINGS is JSON: `modules` to import, `jail` (jail.py)
or null. Each message on FD brings one descriptor, the child's own socket to the grader. The child says `READY`, so that
the grader counts it, locks itself in, says `READY` again and waits for the same. It runs a notebook's cells in a bare
IPython shell and answers a check's questions about its namespace (host.py); frames from it begin with `ANSWER` or, when
a trusted function is called back, `CALLBACK`; a byte `SOCKETS` brings it the descriptors of its ranks (fabric.py). The
child ends when its socket closes. It trusts the grader; the grader trusts nothing that comes from it.
"""

import contextlib
import gc
import importlib
import io
import itertools
import json
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable

from quintet.student import ranks, wire
from quintet.student.host import Host, text, type_name
from quintet.student.jail import Jail, die_with_parent, enter, fork_into_new_pids

ANSWER, CALLBACK, SOCKETS = b"a", b"c", b"s"
READY, FAILED = b"j", b"x"
MAX_OUTPUT = 2_000_000  # characters of a cell's output that leave this process, per stream and per picture


class Kernel(Host):
    """A `Host` over an IPython shell, which can also run a cell."""

    def __init__(self, shell, call_back, sock):
        super().__init__(shell.user_ns, call_back)
        self.shell = shell
        self.sock = sock

    def _at_once(self, play, world, sockets, conduct) -> None:
        def enter() -> None:
            if sys.platform == "linux":
                die_with_parent()
            os.close(self.sock.fileno())  # to the grader speaks one process only

        ranks.as_processes(play, world, sockets, conduct, enter)

    def do_run(self, source: str) -> list:
        """Run one cell; returns its outputs as nbformat's dictionaries."""
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            result = self.shell.run_cell(source, store_history=True)
        outputs = []
        for name in ("stdout", "stderr"):
            with contextlib.suppress(ValueError):  # the cell closed it
                if said := getattr(captured, name)[:MAX_OUTPUT]:
                    outputs.append({"output_type": "stream", "name": name, "text": said})
        for rich in captured.outputs:
            data = {k: v for k, v in rich.data.items() if isinstance(v, str) and len(v) <= MAX_OUTPUT}
            outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            trace = "".join(f["text"] for f in outputs if f.get("name") == "stdout")
            kind = {"output_type": "error", "ename": type_name(error), "evalue": text(error), "traceback": [trace]}
            outputs = [o for o in outputs if o.get("name") != "stdout"] + [kind]
        return outputs


def make_shell():
    """A bare IPython shell. The nursery makes it, so that no child spends time on it."""
    import quintet

    quintet.check = lambda id: None  # the referee judges: a call that a student adds does nothing

    from IPython.core.displayhook import DisplayHook
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shown(DisplayHook):
        """A cell's value goes the way of everything else that it displays."""

        def write_output_prompt(self) -> None: ...

        def write_format_data(self, data: dict, metadata: dict | None = None) -> None:
            self.shell.display_pub.publish(data=data, metadata=metadata or {})

    InteractiveShell.colors = "nocolor"
    InteractiveShell.displayhook_class = Shown
    settings = Config({"HistoryManager": {"enabled": False}})  # its thread forbids forking
    return InteractiveShell.instance(config=settings)


def serve(sock: socket.socket, shell) -> None:
    """Answer frames on `sock` until it closes. Runs student code."""
    stream = sock.makefile("rwb")

    def read(n: int) -> bytes:
        data = stream.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def send(kind: bytes, frame: bytes) -> None:
        stream.write(kind + frame)
        stream.flush()

    def call_back(frame: bytes) -> bytes:
        send(CALLBACK, frame)
        while True:  # the trusted function may ask about its arguments before it returns
            kind, lent, *_ = socket.recv_fds(sock, 1, ranks.MAX_WORLD)  # `stream` holds nothing: we were waited for
            kernel.lent += lent
            if kind == SOCKETS:
                continue
            if not kind:
                raise EOFError
            frame = wire.read_frame(read)
            if kind == CALLBACK:
                return frame
            send(ANSWER, kernel.handle(frame))

    kernel = Kernel(shell, call_back, sock)
    try:
        while True:
            read(1)
            send(ANSWER, kernel.handle(wire.read_frame(read)))
    except (EOFError, ConnectionError):
        return  # the grader has all it wants


def _enter_child(sock: socket.socket, jail: Jail | None, number: int) -> bool:
    """Lock the child in while the grader counts it, and wait until it lets the child go on. False if either failed."""
    try:
        sock.sendall(READY)
        if jail is not None:
            enter(jail, number, keep=sock.fileno())
        else:
            os.setsid()
            if sys.platform == "linux":
                die_with_parent()
        sock.sendall(READY)
    except OSError as error:
        with contextlib.suppress(OSError):
            sock.sendall(FAILED + str(error).encode()[:500])
        return False
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    return sock.recv(1) == READY


def fork_loop(control: socket.socket, become: Callable[[socket.socket, int], None], fork=os.fork) -> None:
    """Fork a child for each descriptor that comes over `control`, until it closes; `become` runs in the child.

    control: a SOCK_SEQPACKET socket; several processes may hold its other end, since a request has no answer here.
    """
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    control.sendall(READY)
    for number in itertools.count():
        message, fds, _, _ = socket.recv_fds(control, 8, 1)
        if not message:
            return
        if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
            raise SystemExit("a module that was imported started a thread: forking would be unsafe")
        if fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            try:
                become(socket.socket(fileno=fds[0]), number)
            finally:
                os._exit(0)
        os.close(fds[0])


def _warm_up(shell) -> None:
    """Do once what would take a fifth of a second in each child: first uses that import, compile or allocate."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)  # a child of a parent that ran a parallel op with more hangs in its first one
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        model(torch.zeros(1, 3, 8, 8))
        torch.optim.SGD(model.parameters(), lr=0.0).step()  # no backward: with a GPU that starts a thread
    if "matplotlib" in sys.modules:
        from matplotlib import pyplot

        pyplot.plot([0, 1])
        pyplot.savefig(io.BytesIO(), format="png", bbox_inches="tight")
        pyplot.close("all")
    shell.run_cell("None")
    shell.reset()


def main(argv: list[str]) -> None:
    control = socket.socket(fileno=int(argv[0]))
    settings = json.loads(argv[1])
    jail = settings["jail"] and Jail(**{**settings["jail"], "seccomp": bytes.fromhex(settings["jail"]["seccomp"])})
    for module in settings["modules"]:
        importlib.import_module(module)
    shell = make_shell()
    _warm_up(shell)

    def become(sock: socket.socket, number: int) -> None:
        if _enter_child(sock, jail, number):
            serve(sock, shell)

    if jail is None:
        fork_loop(control, become)
    else:
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        fork_loop(control, become, fork=lambda: fork_into_new_pids(own))


if __name__ == "__main__":
    main(sys.argv[1:])
