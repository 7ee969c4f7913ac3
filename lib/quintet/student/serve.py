"""The process that student code runs in: a nursery imports the heavy libraries and forks one child a submission.

    python -m quintet.student.serve FD BYTES MODULE...

FD is one end of a Unix socket pair, the grader holds the other; BYTES caps a child's private memory (0: no cap). Each
message on FD brings one descriptor, the child's own socket to the grader; the reply is the child's process id. A child
runs a notebook's cells in a bare IPython shell and answers a check's questions about its namespace (host.py); frames
from it begin with `ANSWER` or, when a trusted function is called back, `CALLBACK`. The child ends when its socket
closes. It trusts the grader; the grader trusts nothing that comes from it.
"""

import ctypes
import gc
import importlib
import os
import random
import resource
import signal
import socket
import sys
import threading

from quintet.student import wire
from quintet.student.host import Host, text, type_name

ANSWER, CALLBACK = b"a", b"c"
MAX_OUTPUT = 2_000_000  # characters of a cell's output that leave this process, per stream and per picture


class Kernel(Host):
    """A `Host` over an IPython shell, which can also run a cell."""

    def __init__(self, shell, call_back):
        super().__init__(shell.user_ns, call_back)
        self.shell = shell

    def do_run(self, source: str) -> list:
        """Run one cell; returns its outputs as nbformat's dictionaries."""
        from IPython.utils.capture import capture_output

        with capture_output() as captured:
            result = self.shell.run_cell(source, store_history=True)
        outputs = []
        for name, said in (("stdout", captured.stdout[:MAX_OUTPUT]), ("stderr", captured.stderr[:MAX_OUTPUT])):
            if said:
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


def serve(sock: socket.socket) -> None:
    """Answer frames on `sock` until it closes. Runs student code."""
    import quintet

    quintet.check = lambda id: None  # the referee judges: a call that a student adds does nothing

    from IPython.core.displayhook import DisplayHook
    from IPython.core.interactiveshell import InteractiveShell

    class Shown(DisplayHook):
        """A cell's value goes the way of everything else that it displays."""

        def write_output_prompt(self) -> None: ...

        def write_format_data(self, data: dict, metadata: dict | None = None) -> None:
            self.shell.display_pub.publish(data=data, metadata=metadata or {})

    InteractiveShell.colors = "nocolor"
    InteractiveShell.displayhook_class = Shown
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
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
            kind, frame = read(1), wire.read_frame(read)
            if kind == CALLBACK:
                return frame
            send(ANSWER, kernel.handle(frame))

    kernel = Kernel(shell, call_back)
    try:
        while True:
            read(1)
            send(ANSWER, kernel.handle(wire.read_frame(read)))
    except (EOFError, ConnectionError):
        return  # the grader has all it wants


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends: a killed grader leaves nothing running."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _become_child(sock: socket.socket, memory_bytes: int) -> None:
    os.setsid()
    _die_with_parent()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # what C code prints goes nowhere; Python's output is captured by the cell
        os.dup2(null, fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def main(argv: list[str]) -> None:
    control = socket.socket(fileno=int(argv[0]))
    memory_bytes = int(argv[1])
    for module in argv[2:]:
        importlib.import_module(module)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)  # a child of a parent that ran a parallel op with more hangs in its first one
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)  # imports what the first optimizer imports
    from IPython.core.interactiveshell import InteractiveShell  # noqa: F401 imported here once, not in each child

    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    control.sendall(b"ready   ")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 8, 1)
        if not message:
            return
        assert threading.active_count() == 1, "a module that was imported started a thread: forking would be unsafe"
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            sock = socket.socket(fileno=fds[0])
            _become_child(sock, memory_bytes)
            try:
                serve(sock)
            finally:
                os._exit(0)
        os.close(fds[0])
        control.sendall(pid.to_bytes(8, "big"))


if __name__ == "__main__":
    main(sys.argv[1:])
