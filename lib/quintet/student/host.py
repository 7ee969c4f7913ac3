"""The student's side: answers a check's questions about the objects in a namespace.

`Host.handle(frame) -> frame` is the whole interface. A question is `[operation, argument, ...]`; the answer is
`["ok", value]` or `["error", type name, message, traceback]`. It does not raise: whatever student code does becomes an
answer. Only in the notebook itself a KeyboardInterrupt passes: there it is the user who wants the check to stop.
"""

import copy
import functools
import importlib
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from quintet.student import ranks, wire

LIB = ("torch.", "numpy.", "math.", "collections.")  # what `Student.lib` may build here
TRACEBACK_CHARS = 4_000


class Host:
    """Holds a student's namespace and the handles that a check was given.

    namespace: where the student's names live; looked up at each question, so that a cell run later counts.
    call_back: sends a packed `[callback id, args, kwargs]` to the check's side and returns the packed answer.
    passes: exceptions that leave `handle`.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        call_back: Callable[[bytes], bytes],
        passes: tuple[type[BaseException], ...] = (),
    ):
        self.namespace = namespace
        self.call_back = call_back
        self.passes = passes
        self.handles: list[Any] = []
        self.lent: list[int] = []  # descriptors that the check's side has sent for the next `parallel`
        self._here = threading.local()  # .rank: this thread, or the process it is in, runs as a rank

    def __deepcopy__(self, memo: dict) -> "Host":
        return self  # a rank's arguments are copied; callbacks among them lead here

    def handle(self, frame: bytes) -> bytes:
        try:
            operation, *arguments = wire.unpack(frame, self._resolve)
            answer = ["ok", getattr(self, f"do_{operation}")(*arguments)]
            return wire.pack(answer, self._keep)
        except self.passes:
            raise
        except BaseException as error:  # noqa: BLE001 a student's code may raise anything, SystemExit included
            return wire.pack(["error", type_name(error), text(error), _traceback(error)], self._keep)

    # ---- plain data and handles

    def _keep(self, thing: Any) -> dict:
        if isinstance(thing, _Kept):
            thing = thing.value
        self.handles.append(thing)
        return {"r": [len(self.handles) - 1, type_name(thing)]}

    def _resolve(self, tree: dict) -> Any:
        if "r" in tree:
            return self.handles[tree["r"][0]]
        return functools.partial(self._callback, tree["c"])

    def _callback(self, callback: int, *args: Any, **kwargs: Any) -> Any:
        if hasattr(self._here, "rank"):
            raise RuntimeError("a rank cannot call what the check lent: its only way out is its fabric")
        status, *rest = wire.unpack(
            self.call_back(wire.pack([callback, list(args), kwargs], self._keep)), self._resolve
        )
        if status != "ok":
            raise TypeError(rest[0])
        return rest[0]

    # ---- operations

    def do_get(self, name: str) -> Any:
        if name not in self.namespace:
            raise NameError(f"name {name!r} is not defined")
        return self.namespace[name]

    def do_has(self, name: str) -> bool:
        return name in self.namespace

    def do_call(self, function: Any, args: list, kwargs: dict) -> Any:
        return function(*args, **kwargs)

    def do_keep(self, function: Any, args: list, kwargs: dict) -> Any:
        return _Kept(function(*args, **kwargs))

    def do_value(self, thing: Any) -> Any:
        return thing

    def do_attr(self, thing: Any, name: str) -> Any:
        return getattr(thing, name)

    def do_item(self, thing: Any, key: Any) -> Any:
        return thing[key]

    def do_len(self, thing: Any) -> int:
        return len(thing)

    def do_list(self, thing: Any, limit: int) -> list:
        items = []
        for item in thing:
            if len(items) == limit:
                raise ValueError(f"gives more than {limit:,} items")
            items.append(item)
        return items

    def do_enter(self, thing: Any) -> Any:
        return thing.__enter__()

    def do_exit(self, thing: Any) -> Any:
        return bool(thing.__exit__(None, None, None))

    def do_lib(self, path: str, args: list, kwargs: dict) -> Any:
        if not path.startswith(LIB):
            raise ValueError(f"{path!r} is not on the list of what a check may build here: {', '.join(LIB)}")
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)(*args, **kwargs)

    def do_define(self, source: str) -> Any:
        """Run trusted source (a check's own helper class, say) in a namespace of its own and hold what it defines."""
        names: dict[str, Any] = {"__name__": "quintet_given"}
        exec(compile(source, "<given by the check>", "exec"), names)
        return type("Given", (), {k: staticmethod(v) if callable(v) else v for k, v in names.items() if k[0] != "_"})

    def do_at(self, thing: Any, path: str) -> Any:
        for part in path.split("."):
            if isinstance(thing, dict):
                thing = thing[part]
            else:
                thing = thing[int(part)] if part.isdigit() else getattr(thing, part)
        return thing

    def do_grads(self, module: Any) -> dict:
        return {name: p.grad for name, p in module.named_parameters()}

    def do_state(self, module: Any) -> dict:
        return dict(module.state_dict())

    def do_proxied(self, methods: dict[str, Callable]) -> Any:
        return types.SimpleNamespace(**methods)

    def do_parallel(self, function: Any, world: int, lend: Callable, conduct: Callable) -> None:
        """Run a function as `world` ranks. lend: makes the check's side send the ranks' descriptors; conduct: lets the
        fabric serve them, and returns when the run is over."""

        def play(rank: int) -> None:
            self._here.rank = rank
            comm = ranks.Comm(sockets[rank], rank, world)
            while (frame := comm._begin()) is not None:
                try:
                    args = copy.deepcopy(wire.unpack(frame, self._resolve))  # what a `Ref` stands for is copied here
                    answer = wire.pack(["ok", function(comm, *args)], ranks.refuse)
                except BaseException as error:  # noqa: BLE001 a student's code may raise anything, SystemExit included
                    answer = wire.pack(["error", type_name(error), text(error), _traceback(error)], ranks.refuse)
                comm._hand_in(answer)

        lend()
        sockets = [socket.socket(fileno=fd) for fd in self.lent]
        self.lent.clear()
        self._at_once(play, world, sockets, conduct)

    def _at_once(self, play: ranks.Play, world: int, sockets: list[socket.socket], conduct: Callable) -> None:
        ranks.as_threads(play, world, sockets, conduct)

    def do_same(self, a: Any, b: Any) -> bool:
        return a is b

    def do_isinstance(self, thing: Any, path: str) -> bool:
        module, _, name = path.rpartition(".")
        return isinstance(thing, getattr(importlib.import_module(module), name))

    def do_settle(self) -> list:
        """Put torch's global settings as they are at the start, for a check; returns what `unsettle` needs."""
        if (torch := sys.modules.get("torch")) is None:
            return []
        before = [torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()]
        _set(torch, torch.float32, torch.device("cpu"), True)
        return self._keep(before)["r"]

    def do_unsettle(self, before: list) -> None:
        """As the student's cells had left them: the cells that follow may count on it."""
        if before:
            _set(sys.modules["torch"], *self.handles[before[0]])

    def do_replace(self, names: dict[str, Any]) -> list:
        """Put trusted functions in the place of the student's names; returns what `restore` needs."""
        before = [[name, name in self.namespace, self._keep(self.namespace.get(name))["r"]] for name in names]
        self.namespace.update(names)
        return before

    def do_restore(self, before: list) -> None:
        for name, existed, (handle, _) in before:
            if existed:
                self.namespace[name] = self.handles[handle]
            else:
                self.namespace.pop(name, None)


def _set(torch: types.ModuleType, dtype: Any, device: Any, grad: bool) -> None:
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(grad)
    if device != torch.get_default_device():
        torch.set_default_device(device)


class _Kept:
    """A result that stays here although it may be plain data."""

    def __init__(self, value: Any):
        self.value = value


def type_name(thing: Any) -> str:
    """The name of its class as it was written, past what a metaclass answers."""
    return type.__dict__["__name__"].__get__(type(thing))[:80]


def text(error: BaseException) -> str:
    try:
        return str.__getitem__(str(error), slice(TRACEBACK_CHARS))  # past what a subclass of str answers
    except BaseException:  # noqa: BLE001 a student's __str__ may raise anything too
        return "(its message could not be read)"


def _traceback(error: BaseException) -> str:
    try:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f for f in frames if "quintet/student" not in f.filename.replace("\\", "/")]
        return "".join(traceback.format_list(lines[-6:]))[-TRACEBACK_CHARS:]
    except Exception:  # noqa: BLE001 the traceback holds a student's file names and sources
        return ""
