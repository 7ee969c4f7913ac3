"""The student's side of a fabric (fabric.py): what a rank's code is given, and the two ways to run ranks at once.

Each rank holds a socket of its own to the fabric and asks one question at a time; it waits for the answer, and so the
fabric decides whose turn it is. In a graded run the ranks are processes, forked from the student's child, so that they
share nothing that is changed after the fork. In the notebook they are threads, because a kernel with its own threads
does not survive a fork: a global that one rank changes is seen by all there. Everything else is the same in both
places: arguments are copied for each rank and run, and what is sent is copied at once, so that changing a tensor after
`isend` changes nothing.
"""

import _thread
import contextlib
import ctypes
import operator
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from quintet.student import wire

MAX_WORLD = 16
STOP_SECONDS = 5.0  # for a thread to end once its fabric has closed


class Comm:
    """Rank `rank` of `world`: sends tensors (or arrays) to the others and receives from them.

    Messages from one rank to another with the same tag arrive in the order in which they were sent.
    """

    def __init__(self, sock: socket.socket, rank: int, world: int):
        self.rank, self.world = rank, world
        self._sock = sock
        self._turn = threading.Lock()  # code that starts threads of its own must not mix two frames

    def send(self, tensor: Any, to: int, tag: int = 0) -> None:
        """Returns when the message has left: with room on the way at once, without when `to` asks for it."""
        self._ask("send", operator.index(to), operator.index(tag), tensor)

    def recv(self, frm: int, tag: int = 0) -> Any:
        """Waits for the next message from `frm`."""
        return self._ask("recv", operator.index(frm), operator.index(tag))

    def isend(self, tensor: Any, to: int, tag: int = 0) -> "Handle":
        """Starts to send; `wait()` on what is returned ends as `send` does."""
        return Handle(self, self._ask("isend", operator.index(to), operator.index(tag), tensor))

    def irecv(self, frm: int, tag: int = 0) -> "Handle":
        """Asks for the next message from `frm`; `wait()` on what is returned gives it."""
        return Handle(self, self._ask("irecv", operator.index(frm), operator.index(tag)))

    def _ask(self, *question: Any) -> Any:
        with self._turn:
            self._sock.sendall(wire.pack(list(question), refuse))
            status, answer = wire.unpack(wire.read_frame(self._read), refuse)
        if status != "ok":
            raise ValueError(answer)
        return answer

    def _read(self, n: int) -> bytes:
        data = bytearray()
        while len(data) < n:
            part = self._sock.recv(min(n - len(data), 1 << 20))
            if not part:
                raise ConnectionError("the fabric has stopped this run")
            data += part
        return bytes(data)

    def _begin(self) -> bytes | None:
        """The arguments of the next run, packed; None when there is no other."""
        try:
            return wire.read_frame(self._read)
        except OSError:  # the fabric needs no more runs, or stopped the last one
            self._sock.close()
            return None

    def _hand_in(self, answer: bytes) -> None:
        """What became of the run."""
        with contextlib.suppress(OSError):  # the fabric has stopped it: `_begin` will say so
            self._sock.sendall(answer)


class Handle:
    """A message under way."""

    def __init__(self, comm: Comm, number: int):
        self._comm, self._number = comm, number

    def wait(self) -> Any:
        """Waits until it has left (`isend`), or gives it (`irecv`)."""
        return self._comm._ask("wait", self._number)


def refuse(thing: Any) -> dict:
    raise wire.WireError(f"a rank sends and returns plain data (tensors, numbers, lists), not a {type(thing).__name__}")


Play = Callable[[int], None]  # play(rank): runs the student's function as that rank


def as_threads(play: Play, world: int, sockets: list[socket.socket], conduct: Callable[[], None]) -> None:
    """Run all ranks in this process until `conduct` returns. Ends them then: a blocked one by its closed socket, one
    that computes on by a SystemExit, which can arrive at any line. `_thread` drops it wherever that is; what
    `threading.Thread` does before and after its function would be hit as well, and report it as a fault."""
    threads: list[int] = []
    try:
        for rank in range(world):
            threads.append(_thread.start_new_thread(play, (rank,)))
        conduct()
    finally:
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed by its rank
                sock.shutdown(socket.SHUT_RDWR)
        start = time.monotonic()
        while (alive := sys._current_frames().keys() & threads) and (late := time.monotonic() - start) < STOP_SECONDS:
            if late > 0.05:  # blocked ones have ended by now
                for thread in alive:  # nothing happens to one that has ended in the meantime
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(SystemExit))
            time.sleep(0.001)
        for sock in sockets:
            sock.close()


def as_processes(
    play: Play,
    world: int,
    sockets: list[socket.socket],
    conduct: Callable[[], None],
    enter: Callable[[], None],
) -> None:
    """Fork a process a rank, run all until `conduct` returns, kill and reap them. `enter` is called first in each."""
    pids: list[int] = []
    try:
        for rank in range(world):
            pid = os.fork()
            if pid == 0:
                try:
                    for other in sockets[:rank] + sockets[rank + 1 :]:
                        other.close()
                    enter()
                    play(rank)
                finally:
                    os._exit(0)
            pids.append(pid)
        for sock in sockets:  # or the fabric would not see a rank end
            sock.close()
        conduct()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
