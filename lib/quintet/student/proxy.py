"""The check's side: a student's work, asked about through frames.

    student.unscale(grads, 1024.0)          call a function of the student's: plain data in, plain data out
    student.history["loss"]                 plain data by value, anything else as a `Ref`
    student.lib("torch.nn.Linear", 4, 3)    build an allow-listed thing on the student's side
    student.define(source)                  run a check's own helper code there; the names it defines are attributes
    student.keep(student.f, x)              call, and leave the result there even when it is plain data; `value`
    fetches it
    student.at(ref, "layer1.0.weight.grad") follow attributes and indices on their side, then fetch
    student.grads(model), student.state(model)
    with student.given(unscale=trusted):    put a trusted function in the place of one of theirs, so that one error
    costs
                                            its own points only
    with student.within(seconds):           a time limit for the calls inside
    with student.proxied(obj, "send") as o: an object on their side whose named methods are calls of obj's
    student.parallel(f, argss, fabric)      f as ranks, each with a Comm (ranks.py) and its arguments; see fabric.py
    with student.afresh() as other:         the same cells in another process, which knows nothing of this one's answers

Functional style: results come back, arguments do not change. A tensor that has travelled has no gradient: ask `grads`
or `at`.
"""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from quintet.student import wire
from quintet.student.host import TRACEBACK_CHARS, Host

if TYPE_CHECKING:
    from quintet.student.fabric import Fabric

MAX_ITEMS = 100_000


class StudentError(Exception):
    """The student's code raised. `kind` is the exception's type name, `text` its message, `trace` the last frames of
    it."""

    def __init__(self, kind: str, text: str, trace: str = ""):
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind, self.text, self.trace = kind, text, trace


class NotWritten(StudentError):
    """The step still raises NotImplementedError."""


class Missing(StudentError):
    """A name that the check asks for does not exist (NameError, AttributeError)."""


class TimedOut(StudentError):
    """A call ran over its time limit."""


class Died(StudentError):
    """The student's process ended, or answered with something that is not an answer."""


class Unfit(StudentError, TypeError):
    """The answer cannot be used as the check needs it: an object where plain data was expected."""


KINDS = {"NotImplementedError": NotWritten, "NameError": Missing, "AttributeError": Missing}


class Student:
    """A student's work behind `exchange(frame, seconds) -> frame`, which calls `answer(frame)` for each callback on
    the way. `lend` hands descriptors to the student's side, which `parallel` needs; `afresh` starts another process."""

    def __init__(
        self,
        exchange: Callable[[bytes, float | None], bytes],
        seconds: float | None = None,
        lend: Callable[[list[int]], None] | None = None,
        afresh: Callable[[], AbstractContextManager["Student"]] | None = None,
    ):
        self._exchange = exchange
        self._seconds = seconds
        self._lend = lend
        self._afresh = afresh
        self._until: float | None = None  # when the call under way must have ended, with all that its callbacks ask
        self._callbacks: list[Callable] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("get", name)

    def lib(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return self._ask("lib", path, list(args), kwargs)

    def define(self, source: str) -> "Ref":
        return self._ask("define", source)

    def keep(self, function: "Ref", *args: Any, **kwargs: Any) -> "Ref":
        return self._ask("keep", function, list(args), kwargs)

    def value(self, thing: "Ref") -> Any:
        """What `keep` left there, if it is plain data."""
        return self._ask("value", thing)

    def at(self, thing: "Ref", path: str) -> Any:
        return self._ask("at", thing, path)

    def grads(self, module: "Ref") -> dict:
        """Gradients by parameter name; None where there is none."""
        return self._ask("grads", module)

    def state(self, module: "Ref") -> dict:
        """The module's state_dict, by value."""
        return self._ask("state", module)

    def has(self, name: str) -> bool:
        return self._ask("has", name) is True

    def same(self, a: Any, b: Any) -> bool:
        return self._ask("same", a, b) is True

    def isinstance(self, thing: Any, path: str) -> bool:
        return self._ask("isinstance", thing, path) is True

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Default dtype and device, and whether gradients are recorded, as they are at the start, however a cell has
        left them: correct work does not depend on them."""
        before = self._ask("settle")
        try:
            yield
        finally:
            with contextlib.suppress(StudentError):  # what happened first is what is told
                self._ask("unsettle", before)

    @contextlib.contextmanager
    def given(self, **functions: Callable) -> Iterator[None]:
        first = len(self._callbacks)
        before = self._ask("replace", functions)
        lent = range(first, len(self._callbacks))
        try:
            yield
        except BaseException:
            with contextlib.suppress(StudentError):  # what happened first is what is told
                self._ask("restore", before)
            raise
        else:
            self._ask("restore", before)
        finally:
            for i in lent:  # a student who kept the function must not be able to ask it later on
                self._callbacks[i] = _over

    @contextlib.contextmanager
    def proxied(self, thing: Any, *methods: str) -> Iterator["Ref"]:
        with self._only_meanwhile():
            yield self._ask("proxied", {name: getattr(thing, name) for name in methods})

    def parallel(self, function: "Ref", argss: Sequence[Sequence], fabric: "Fabric", *more: "Fabric") -> list[Any]:
        """What `function(comm, *args)` returns as each rank, or the StudentError that it came to. Plain data and `Ref`s
        travel to a rank, callbacks do not. Raises a StudentError where the student's process itself fails.

        more: for further runs of the same ranks, whose results stand in `.results`; a run that a rank does not survive
        is the last.
        """
        if any(len(argss) != f.world for f in (fabric, *more)):
            raise ValueError(f"{len(argss)} lists of arguments for a fabric of {fabric.world} ranks")
        if any(f.started for f in (fabric, *more)):
            raise RuntimeError("this fabric has served its run: make a new one for the next")
        arguments = [wire.pack(list(args), self._handle) for args in argss]  # to each rank its own, and to no other
        if self._lend is None:
            raise RuntimeError("this student runs where descriptors cannot be lent, so it cannot run ranks")
        pairs = [socket.socketpair() for _ in argss]
        ours, theirs = zip(*pairs, strict=True)
        faults: list[Exception] = []

        def lend() -> None:
            self._lend([sock.fileno() for sock in theirs])
            for sock in theirs:  # or we would not see a rank end
                sock.close()

        def conduct() -> None:
            if fabric.started:
                raise TypeError("the run is over")  # a child that asks twice
            now = time.monotonic()  # 0.8: the child must have time to say that its ranks were late
            until = math.inf if self._until is None else now + 0.8 * (self._until - now)
            try:
                fabric.conduct(ours, until, *more, arguments=arguments)
            except Exception as error:
                faults.append(error)  # ours, and no answer to the student

        try:
            with self._only_meanwhile():
                self._ask("parallel", function, len(argss), lend, conduct)
        finally:
            for sock in (*ours, *theirs):
                sock.close()
        if faults:
            raise faults[0]
        return fabric.results

    @contextlib.contextmanager
    def afresh(self) -> Iterator["Student"]:
        """The student's cells run once more, in a process of their own that shares nothing with this one: what a
        function here has put aside, a function there cannot find. In a notebook there is one process: this student."""
        if self._afresh is None:
            yield self
        else:
            with self._afresh() as other, other.settled():
                yield other

    @contextlib.contextmanager
    def _only_meanwhile(self) -> Iterator[None]:
        """Callbacks that are lent inside are refused afterwards: a student may have kept them."""
        first = len(self._callbacks)
        try:
            yield
        finally:
            self._callbacks[first:] = [_over] * (len(self._callbacks) - first)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        before, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = before

    # ---- frames

    def _ask(self, operation: str, *arguments: Any) -> Any:
        frame = wire.pack([operation, *arguments], self._handle)
        start = time.monotonic()
        reply = self._timed(frame, start)
        if self._seconds is not None and time.monotonic() - start > self._seconds:
            raise TimedOut("TimedOut", f"the call took more than {self._seconds:g} s")
        try:
            match wire.unpack(reply, self._resolve):
                case ["ok", value]:
                    return value
                case ["error", str(kind), str(text), str(trace)]:
                    error = KINDS.get(kind, StudentError)
                    raise error(kind[:80], text[:TRACEBACK_CHARS], trace[-TRACEBACK_CHARS:])
        except wire.WireError as error:
            raise Died("Died", "the answer could not be read") from error
        raise Died("Died", "the answer was not an answer")

    def _timed(self, frame: bytes, start: float) -> bytes:
        seconds, until = self._seconds, self._until
        if until is not None:
            seconds = max(until - start, 0.001)
        elif seconds is not None:
            self._until = start + seconds
        try:
            return self._exchange(frame, seconds)
        finally:
            self._until = until

    def answer(self, frame: bytes) -> bytes:
        """Run a callback for the student's side; what a callback cannot use comes back to the student as a
        TypeError."""
        try:
            callback, args, kwargs = wire.unpack(frame, self._resolve)
            reply = ["ok", self._callbacks[callback](*args, **kwargs)]
        except (TimedOut, Died):
            raise
        except Exception as error:  # noqa: BLE001 the arguments are the student's: whatever they break is told to them
            reply = ["error", f"this function was called with something it cannot use: {error}"[:500]]
        return wire.pack(reply, self._handle)

    def _handle(self, thing: Any) -> dict:
        if type(thing) is Ref:
            return {"r": [thing._id, thing._kind]}
        if callable(thing):
            self._callbacks.append(thing)
            return {"c": len(self._callbacks) - 1}
        raise wire.WireError(
            f"{type(thing).__name__} is not plain data: build it on the student's side with student.lib(...)"
        )

    def _resolve(self, tree: dict) -> "Ref":
        match tree:
            case {"r": [int(handle), str(kind)]}:
                return Ref(self, handle, kind[:80])
        raise wire.WireError("a handle was expected")


class Ref:
    """A thing that stays on the student's side. Call it, take attributes and items, iterate; it refuses to be
    compared."""

    __slots__ = ("_student", "_id", "_kind")
    __hash__ = object.__hash__

    def __init__(self, student: Student, handle: int, kind: str):
        self._student, self._id, self._kind = student, handle, kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._student._ask("call", self, list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._student._ask("attr", self, name)

    def __getitem__(self, key: Any) -> Any:
        return self._student._ask("item", self, key)

    def __len__(self) -> int:
        try:
            n = self._student._ask("len", self)
        except (TimedOut, Died):
            raise
        except StudentError as error:  # `list(ref)` asks for a length first and takes a TypeError for "none"
            raise Unfit(error.kind, error.text, error.trace) from None
        return n if type(n) is int and 0 <= n < 2**31 else self._refuse()

    def __iter__(self) -> Iterator[Any]:
        items = self._student._ask("list", self, MAX_ITEMS)
        return iter(items if type(items) is list else self._refuse())

    def __enter__(self) -> Any:
        return self._student._ask("enter", self)

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.suppress(*[StudentError] if kind else []):  # what happened first is what is told
            self._student._ask("exit", self)

    def __repr__(self) -> str:
        return f"<a student's {self._kind}>"

    def _refuse(self, *_: object) -> Any:
        raise Unfit(
            "Unfit", f"got an object of type {self._kind} where plain data (a number, a list, a tensor) was expected"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = __format__ = _refuse  # type: ignore
    __float__ = __int__ = __index__ = __complex__ = __neg__ = __pos__ = __abs__ = __invert__ = __round__ = _refuse
    __add__ = __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __divmod__ = __pow__ = _refuse
    __radd__ = __rsub__ = __rmul__ = __rmatmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rdivmod__ = _refuse
    __rpow__ = __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __lshift__ = __rshift__ = _refuse
    __rlshift__ = __rrshift__ = __setitem__ = __delitem__ = _refuse


def _over(*_: Any, **__: Any) -> None:
    raise TypeError("it was lent for one question only")


def loopback(namespace: dict[str, Any]) -> Student:
    """A student in this process: the same packing, dispatch and unpacking as across a process border."""
    host = Host(namespace, call_back=lambda frame: student.answer(frame), passes=(KeyboardInterrupt,))
    student = Student(
        lambda frame, seconds: host.handle(frame), lend=lambda fds: host.lent.extend(os.dup(fd) for fd in fds)
    )
    return student
