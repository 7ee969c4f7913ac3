"""`quintet.student`: what travels arrives as it was, what is malformed is refused, and a check sees the same through a
loopback as through a process border.

Tests of the proxy are written once and run over both transports, against the same literal answers.
"""

import contextlib
import enum
import json
import math
import os
import pickle
import struct
import threading
import time
import tracemalloc
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from quintet.student import Died, Missing, NotWritten, Ref, Student, StudentError, TimedOut, Unfit, loopback, wire
from quintet.student.host import TRACEBACK_CHARS
from quintet.student.proxy import MAX_ITEMS
from quintet_grading import run

torch.set_num_threads(1)  # small tensors; the machine may be shared
quick = settings(max_examples=60, deadline=None)
Point = namedtuple("Point", "x y")


class Level(enum.IntEnum):
    HIGH = 3


def no_handle(thing):
    raise wire.WireError(f"no handle for {type(thing).__name__}")


def travelled(value):
    return wire.unpack(wire.pack(value, no_handle), no_handle)


def equal(a, b) -> bool:
    """Same type, structure and bits: NaN equals NaN, -0.0 does not equal 0.0, 1 equals neither 1.0 nor True."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return equal(list(a.items()), list(b.items()))
    if isinstance(a, slice):
        return equal((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and raw(a) == raw(b)
    if isinstance(a, np.ndarray):
        return a.dtype.str == b.dtype.str and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b) or (a != a and b != b)
    return a == b


def raw(t: torch.Tensor) -> bytes:
    return t.detach().clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8).numpy().tobytes()


def frame(v, buffers=(), n=None) -> bytes:
    """A frame with this tree, however wrong."""
    header = json.dumps({"v": v, "n": [len(b) for b in buffers] if n is None else n}).encode()
    body = b"".join(buffers)
    return wire.HEAD.pack(len(header), len(body)) + header + body


# ---------------------------------------------------------------------------------------------------------------------
# What travels arrives as it was

numbers = st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats()
strings = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu"])).filter(lambda s: "\ud800" not in s)
keys = st.recursive(st.integers() | st.text(), lambda inner: st.tuples(inner, inner) | st.tuples(inner), max_leaves=4)
slices = st.builds(slice, *[st.none() | st.integers()] * 3)
plain = st.recursive(
    numbers | st.text() | st.binary() | slices,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.just(()),
    max_leaves=25,
)
array_dtypes = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
)
arrays = npst.arrays(array_dtypes, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


@quick
@given(plain)
def test_plain_data_arrives_as_it_was(value):
    assert equal(travelled(value), value)


@pytest.mark.parametrize(
    "value",
    [math.inf, -math.inf, math.nan, -0.0, 5e-324, 1.79e308, 0.1, 2**53 + 1, -(10**4000), "\x00\u202e\ud800"],
    ids=lambda v: repr(v)[:20],
)
def test_numbers_and_strings_at_the_edge_arrive_as_they_were(value):
    assert equal(travelled([value, {"k": value}]), [value, {"k": value}])


@quick
@given(arrays, st.data())
def test_arrays_of_every_plain_dtype_byte_order_shape_and_stride_arrive_as_they_were(array, data):
    view = data.draw(
        st.sampled_from(
            [
                array,
                array.T,
                array[..., ::2] if array.ndim else array,
                array[::-1].copy()[::-1] if array.ndim else array,
            ]
        )
    )
    assert equal(travelled(view), np.array(view))


@pytest.mark.parametrize("name", wire.TENSOR_DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (4, 3), (2, 3, 5)], ids=str)
def test_tensors_of_every_dtype_and_shape_arrive_as_they_were(name, shape):
    dtype = getattr(torch, name)
    count = math.prod(shape) * dtype.itemsize
    data = torch.from_numpy(np.random.default_rng(len(name)).integers(0, 2 if name == "bool" else 256, count, np.uint8))
    tensor = (data.view(dtype) if count else torch.empty(0, dtype=dtype)).reshape(shape)
    for view in (tensor, tensor.mT if tensor.dim() > 1 else tensor, tensor[..., ::2] if tensor.dim() else tensor):
        assert equal(travelled(view), view), "NaN payloads of the random bits included"
    if tensor.is_floating_point() or tensor.is_complex():
        got = travelled(tensor.clone().requires_grad_())
        assert equal(got, tensor) and not got.requires_grad
    if tensor.is_complex():
        assert equal(travelled(tensor.conj()), tensor.conj().resolve_conj())


def test_parameters_and_results_of_autograd_travel_as_plain_tensors():
    weight = torch.nn.Parameter(torch.ones(2, 3))
    for t in (weight, weight * 2, weight.expand(4, 2, 3)):
        assert type(travelled(t)) is torch.Tensor and torch.equal(travelled(t), t)


@pytest.mark.parametrize("name", wire.TENSOR_DTYPES)
def test_a_dtype_travels_by_name(name):
    assert travelled({"dtype": getattr(torch, name)}) == {"dtype": getattr(torch, name)}


def test_subclasses_of_plain_types_arrive_as_plain_types():
    assert equal(travelled(Point(1, [2.5])), (1, [2.5]))
    assert equal(travelled(Level.HIGH), 3)
    assert equal(travelled(np.float64(0.1)), 0.1)
    assert equal(travelled(np.float32(0.5)), np.array(0.5, np.float32))
    assert equal(travelled(bytearray(b"ab")), b"ab")
    assert equal(travelled({np.int64(3): 1, (np.int32(4), "a"): 2}), {3: 1, (4, "a"): 2}), "a numpy scalar as a key"


@pytest.mark.parametrize(
    "thing",
    [
        object(), {1, 2}, 1 + 2j, range(3), np.array(["a"]), np.array([object()]), np.zeros(2, "M8[s]"), torch.uint16,
        torch.zeros(2, device="meta"), torch.zeros(2, 2).to_sparse(), torch.zeros(2, dtype=torch.uint16), len,
        torch.nn.Linear(1, 1), torch.nn.UninitializedParameter(),
    ],
    ids=lambda t: type(t).__name__,
)  # fmt: skip
def test_what_is_not_plain_data_goes_to_the_handle_and_never_into_the_frame(thing):
    seen = []
    packed = wire.pack([1, thing], lambda t: seen.append(t) or {"r": [7, "thing"]})
    assert len(seen) == 1 and seen[0] is thing
    assert wire.unpack(packed, lambda tree: tree["r"]) == [1, [7, "thing"]]


def test_what_travelled_shares_no_memory_with_what_was_sent():
    array, tensor = np.arange(4.0), torch.arange(4.0)
    got = travelled([array, tensor])
    got[0][:] = -1
    got[1].fill_(-1)
    assert array.tolist() == tensor.tolist() == [0, 1, 2, 3]
    assert got[0].flags.writeable


@pytest.fixture
def small_caps(monkeypatch):
    monkeypatch.setattr(wire, "MAX_BYTES", 2**20)
    monkeypatch.setattr(wire, "MAX_HEADER", 2**16)


def test_packing_refuses_what_is_too_deep_endless_or_too_large(small_caps):
    deep = []
    for _ in range(wire.MAX_DEPTH + 1):
        deep = [deep]
    endless = []
    endless.append(endless)
    for value, words in (
        (deep, "nested more than"),
        (endless, "nested more than"),
        (10**5000, "digits"),
        (bytes(wire.MAX_BYTES), "may travel at once"),
        ("a" * (wire.MAX_HEADER + 1), "may travel at once"),
    ):
        with pytest.raises(wire.WireError, match=words):
            wire.pack(value, no_handle)
    assert travelled(deep[0]) == deep[0], "one level less is still allowed"


# ---------------------------------------------------------------------------------------------------------------------
# Hostile frames

good = frame({"T": ["float32", [2, 3], 0]}, [bytes(24)])
mib = bytes(2**20)
HOSTILE = {
    "empty": b"",
    "head cut": wire.HEAD.pack(4, 0)[:9],
    "header announced, none there": wire.HEAD.pack(50, 0),
    "body cut": good[:-1],
    "one byte more": good + b"\0",
    "huge header length": wire.HEAD.pack(2**63, 0) + b"{}",
    "lengths that wrap around 2^64": wire.HEAD.pack(2**64 - 1, 3) + b"{}",
    "not JSON": wire.HEAD.pack(4, 0) + b"}{,:",
    "not text": wire.HEAD.pack(4, 0) + b"\xff\xfe\xff\xff",
    "pickle": wire.HEAD.pack(len(pickle.dumps([1])), 0) + pickle.dumps([1]),
    "JSON nested a hundred thousand deep": wire.HEAD.pack(200_000, 0) + b"[" * 100_000 + b"]" * 100_000,
    **{
        f"header is {text[:20]}": wire.HEAD.pack(len(text), 0) + text.encode()
        for text in ("[]", "3", '"v"', "null", "{}", '{"v": 1}', '{"n": []}', '{"v": 1, "n": 5}', '{"v": 1, "n": null}')
    },
    "an integer with too many digits": wire.HEAD.pack(5017, 0) + b'{"n":[],"v":' + b"9" * 5004 + b"}",
    "negative buffer length": frame({"b": 0}, [b"ab"], n=[-2]),
    "buffer past the end": frame({"b": 0}, [b"ab"], n=[3]),
    "second buffer past the end": frame({"b": 0}, [b"ab"], n=[1, 2]),
    "buffers that leave a rest": frame({"b": 0}, [b"ab"], n=[1]),
    "buffer length a float": frame({"b": 0}, [b"ab"], n=[2.0]),
    "buffer length NaN": frame({"b": 0}, [b"ab"], n=[math.nan]),
    "buffer length true": frame({"b": 0}, [b"a"], n=[True]),
    "buffer used twice": frame({"l": [{"b": 0}, {"b": 0}]}, [b"ab"]),
    "one buffer as ten thousand arrays": frame({"l": [{"A": ["|u1", [len(mib)], 0]}] * 10_000}, [mib]),
    "one buffer as ten thousand tensors": frame({"l": [{"T": ["uint8", [len(mib)], 0]}] * 10_000}, [mib]),
    **{f"buffer number {i!r}": frame({"b": i}, [b"ab"]) for i in (-1, 1, 10**30, None, "0", 0.0, True, [0])},
    **{
        f"tensor {str(shape)[:30]}": frame({"T": ["float32", shape, 0]}, [bytes(24)])
        for shape in (
            [2, 4], [-2, -3], [-1], [6.0], ["6"], [True, 6], None, 6, "6", {"6": 6}, [[6]], [2**63], [0, 2**62, 2**62],
            [math.nan], [math.inf], [1] * 65 + [6],
        )
    },
    "tensor with a thousand huge sizes": frame({"T": ["float32", [10**4000] * 1000, 0]}, [bytes(24)]),
    **{
        f"empty tensor {s}": frame({"T": ["float32", s, 0]}, [b""])
        for s in ([0, 2**62, 2**62], [0, 2**70], [0, -1], [2])
    },
    **{f"empty array {s}": frame({"A": ["<f4", s, 0]}, [b""]) for s in ([0, 2**62], [0, 10**30], [0, -1], [2], [0.0])},
    **{
        f"tensor dtype {d!r}": frame({"T": [d, [24], 0]}, [bytes(24)])
        for d in ("float128", "nn", "load", "uint16", "", None, 3, ["uint8"], "__class__")
    },
    **{
        f"array dtype {d!r}": frame({"A": [d, [3], 0]}, [bytes(24)])
        for d in (
            "O", "|O8", "V8", "|V8", "<M8[s]", "<U2", "S8", "f8,", "(1,)f8", "(1+,)f8", "((", "", None, 3, ["<f8"],
            {"names": ["a"], "formats": ["f8"]}, "<f5", "float64", "<f8 ", "f8\n",
        )
    },
    **{f"array {s}": frame({"A": ["<f4", s, 0]}, [bytes(24)]) for s in ([2, 4], [-2, -3], [6.0], None, {"6": 6}, "6")},
    "a bool tensor of twos": frame({"T": ["bool", [2], 0]}, [b"\2\2"]),
    "a bool array of twos": frame({"A": ["|b1", [2], 0]}, [b"\2\2"]),
    "tensor without a size": frame({"T": ["float32", [6]]}, [bytes(24)]),
    "dtype that is none": frame({"D": "Tensor"}),
    "dtype that is a list": frame({"D": ["float32"]}),
    "unknown kind": frame({"pickle": "gASVAQ=="}),
    "two kinds at once": frame({"l": [], "t": []}),
    "no kind": frame({}),
    "a bare list": frame([1, 2]),
    "list that is a string": frame({"l": "abc"}),
    "list that is an object": frame({"l": {"a": 1}}),
    "tuple that is a number": frame({"t": 3}),
    "dict that is a dict": frame({"d": {"ab": 1}}),
    "dict of strings": frame({"d": ["ab", "cd"]}),
    "dict with a pair of three": frame({"d": [[1, 2, 3]]}),
    "dict with a list as key": frame({"d": [[{"l": []}, 1]]}),
    "dict with a dict as key": frame({"d": [[{"d": []}, 1]]}),
    "dict with an array as key": frame({"d": [[{"A": ["|u1", [2], 0]}, 1]]}, [b"ab"]),
    "slice of one": frame({"S": [1]}),
    "slice of four": frame({"S": [1, 2, 3, 4]}),
    "handle where none is expected": frame({"r": [0, "x"]}),
    "callback where none is expected": frame({"c": 0}),
}  # fmt: skip


def nested(depth: int) -> bytes:
    tree = 1
    for _ in range(depth):
        tree = {"l": [tree]}
    return frame(tree)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_frame_ends_in_a_wire_error_soon_and_without_taking_memory(name):
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(wire.WireError) as raised:
        wire.unpack(HOSTILE[name], no_handle)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - start < 5
    assert peak < 4 * len(HOSTILE[name]) + 2**23, "memory follows from the frame's length"
    assert len(str(raised.value)) < 500


def test_nesting_is_refused_from_the_documented_depth_on():
    assert wire.unpack(nested(wire.MAX_DEPTH), no_handle)
    for depth in (wire.MAX_DEPTH + 1, 300):
        with pytest.raises(wire.WireError, match="nested too deep"):
            wire.unpack(nested(depth), no_handle)


def test_a_frame_over_a_cap_is_refused_even_when_its_lengths_are_true(small_caps):
    head = wire.MAX_BYTES // 2
    for large in (frame({"b": 0}, [bytes(wire.MAX_BYTES)]), frame("a" * wire.MAX_HEADER)):
        with pytest.raises(wire.WireError, match="length"):
            wire.unpack(large, no_handle)
    assert len(wire.unpack(frame({"b": 0}, [bytes(head)]), no_handle)) == head, "below the caps it passes"


def value_or_wire_error(data: bytes) -> None:
    def handle(tree):
        raise wire.WireError("a handle")

    with contextlib.suppress(wire.WireError):
        wire.unpack(data, handle)


RICH = [1.5, "é", None, {"a": (1, 2), ("b", 3): [True]}, b"xyz", slice(1, None, 2), torch.ones(3, 2),
        torch.tensor(True), np.arange(5), np.float32(2), torch.bfloat16, torch.ones(2) * 1j]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_a_valid_frame_with_flipped_bytes_gives_a_value_or_a_wire_error(data):
    packed = bytearray(wire.pack(RICH, no_handle))
    places = st.integers(0, HEADER_END - 1) | st.integers(0, len(packed) - 1)  # most of all where the structure is
    for at in data.draw(st.lists(places, min_size=1, max_size=4)):
        packed[at] = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789[]{}",:-.eE'))
    value_or_wire_error(bytes(packed))


HEADER_END = wire.HEAD.size + wire.HEAD.unpack_from(wire.pack(RICH, no_handle))[0]
atoms = st.none() | st.booleans() | st.integers(-3, 9) | st.integers() | st.floats() | st.text(max_size=3)
atoms |= st.sampled_from([*wire.TENSOR_DTYPES, "<f4", "|b1", ">c16", "|O", "float32"])
trees = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("l t d b T A D S r c v n x".split()), inner, min_size=1, max_size=2)
        | st.dictionaries(st.sampled_from("ltdbTADS"), st.lists(inner, max_size=3), min_size=1, max_size=1)
    ),
    max_leaves=12,
)


@settings(max_examples=600, deadline=None)
@given(trees, st.lists(st.binary(max_size=16), max_size=3))
def test_any_json_at_all_gives_a_value_or_a_wire_error(tree, buffers):
    value_or_wire_error(frame(tree, buffers))


def test_reading_refuses_a_size_before_it_reads_it():
    for header, body in ((wire.MAX_HEADER + 1, 0), (10, wire.MAX_BYTES), (2**64 - 1, 2**64 - 1), (0, 2**64 - 1)):
        asked, head = [], wire.HEAD.pack(header, body)

        def read(n, asked=asked, head=head):
            asked.append(n)
            return head

        with pytest.raises(wire.WireError, match="announced"):
            wire.read_frame(read)
        assert asked == [wire.HEAD.size]


def test_reading_takes_exactly_one_frame_from_a_stream():
    import io

    packed = wire.pack([1, b"abc"], no_handle)
    stream = io.BytesIO(packed + packed + b"rest")
    assert wire.read_frame(stream.read) == wire.read_frame(stream.read) == packed
    assert stream.read() == b"rest"


# ---------------------------------------------------------------------------------------------------------------------
# The proxy, through a loopback and through a process border


@pytest.fixture(scope="module")
def nursery():
    before = set(threading.enumerate())
    with run.Nursery(["numpy", "torch"], run.Limits(check_seconds=60, cell_seconds=60)) as nursery:
        yield nursery
        process = nursery._process
    assert process is None or process.returncode is not None, "the nursery is gone with its block"
    left = {t.name for t in set(threading.enumerate()) - before}
    assert all(name.startswith("quintet-start") for name in left), "only the thread that starts nurseries lasts"


@pytest.fixture
def children(nursery):
    opened = []

    def child(source: str = "") -> run.Child:
        opened.append(nursery.child())
        assert not [o for o in opened[-1].run(source) if o["output_type"] == "error"]
        return opened[-1]

    yield child
    for one in opened:
        one.__exit__()


@pytest.fixture(params=["loopback", "child"])
def world(request):
    """A student whose namespace is what `source` leaves there."""
    if request.param == "child":
        child = request.getfixturevalue("children")
        return lambda source: child(source).student

    def beside(source: str) -> Student:
        namespace = {"__name__": "__main__"}
        exec(source, namespace)
        return loopback(namespace)

    return beside


VALUES = """
import collections, math
import numpy as np, torch
number, text, nothing, yes = 2.5, "é", None, True
table = {"a": [1, 2], ("b", 1): (3.0,)}
Pair = collections.namedtuple("Pair", "x y")
pair = Pair(1, torch.ones(2))
array, tensor = np.arange(6).reshape(2, 3).T, torch.arange(6).reshape(2, 3).mT
half, dtype = torch.tensor(0.1).bfloat16(), torch.float16
class Thing:
    size = 3
    def __init__(self): self.parts = {"left": [10, 20]}
    def __len__(self): return 3
    def __getitem__(self, key): return ("got", key)
    def twice(self, x, *, plus=0): return 2 * x + plus
    def me(self): return self
thing = Thing()
def total(*args, scale=1, **rest): return (sum(args) * scale, rest)
def make(): return Thing()
def grow(items): items.append(1); return items
words = {"set"}
"""


def test_plain_data_comes_by_value_and_anything_else_as_a_ref(world):
    student = world(VALUES)
    assert (student.number, student.text, student.nothing, student.yes) == (2.5, "é", None, True)
    assert student.table == {"a": [1, 2], ("b", 1): (3.0,)}
    x, y = student.pair
    assert x == 1 and torch.equal(y, torch.ones(2))
    assert student.array.tolist() == student.tensor.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert equal(student.half, torch.tensor(0.1).bfloat16()) and student.dtype is torch.float16
    for name, kind in {"thing": "Thing", "total": "function", "Thing": "type", "words": "set", "np": "module"}.items():
        ref = getattr(student, name)
        assert type(ref) is Ref and repr(ref) == f"<a student's {kind}>"


def test_functions_take_positional_and_keyword_arguments_and_refs(world):
    student = world(VALUES)
    assert student.total(1, 2.5, scale=2) == (7.0, {})
    assert student.total(1, extra=[1, {"a": None}]) == (1, {"extra": [1, {"a": None}]})
    made = student.make()
    assert type(made) is Ref and made.twice(4, plus=1) == 9 and made.size == 3
    assert student.same(made.me(), made) and student.Thing.twice(made, 5) == 10, "a Ref as an argument"
    assert student.same(student.total(1, r=made)[1]["r"], made), "a Ref inside plain data, both ways"


def test_attributes_items_and_length(world):
    student = world(VALUES)
    assert student.thing.size == 3 and len(student.thing) == 3
    assert student.thing[1] == ("got", 1)
    assert equal(student.thing["k", 1:2], ("got", ("k", slice(1, 2, None))))
    assert student.thing.parts == {"left": [10, 20]}
    with pytest.raises(Missing, match="absent"):
        student.thing.absent  # noqa: B018
    with pytest.raises(StudentError, match="KeyError: 'right'"):
        student.at(student.thing, "parts.right")


def test_arguments_do_not_change_and_results_come_back(world):
    student, mine = world(VALUES), [0]
    assert student.grow(mine) == [0, 1] and mine == [0]


def test_a_name_that_does_not_exist_is_missing_and_has_tells(world):
    student = world("x = None")
    assert student.has("x") is True and student.has("y") is False
    with pytest.raises(Missing, match="name 'y' is not defined"):
        student.y  # noqa: B018


def test_a_name_that_is_defined_later_counts(world):
    student = world("def later(): global fresh; fresh = 5")
    assert not student.has("fresh")
    student.later()
    assert student.fresh == 5


ITERABLES = """
import collections, itertools
deque, chain = collections.deque([1, 2]), None
def three():
    yield from "abc"
def endless():
    return itertools.count()
def bad():
    yield 1
    raise KeyError("two")
class Longer(list): pass
mapped = lambda: map(str, [1, 2])
class Lies:
    def __len__(self): return -1
class LiesMore:
    def __len__(self): return 10**30
class Text:
    def __len__(self): return "three"
odd = [c() for c in (Lies, LiesMore, Text)]
"""


def test_iterables_give_their_items(world):
    student = world(ITERABLES)
    assert list(student.deque) == [1, 2] and len(student.deque) == 2
    assert list(student.three()) == ["a", "b", "c"] and list(student.mapped()) == ["1", "2"]
    once = student.three()
    assert (list(once), list(once)) == (["a", "b", "c"], []), "a generator gives its items once"


def test_an_endless_generator_is_cut_with_a_clear_message(world):
    student = world(ITERABLES)
    with pytest.raises(StudentError, match=f"more than {MAX_ITEMS:,} items"):
        list(student.endless())


def test_what_a_generator_raises_arrives_as_the_students_error(world):
    with pytest.raises(StudentError, match="KeyError: 'two'"):
        list(world(ITERABLES).bad())


def test_a_length_that_is_none_is_refused(world):
    for odd in world(ITERABLES).odd:
        with pytest.raises(Unfit):
            len(odd)
    with pytest.raises(Unfit, match="no len"):
        len(world(ITERABLES).three())


CONTEXT = """
log = []
class Block:
    def __enter__(self): log.append("in"); return 7
    def __exit__(self, *what): log.append(("out", what[0])); return True
    def log(self): return log
block = Block()
"""


def test_with_enters_and_leaves_on_their_side_and_never_swallows_what_the_check_raises(world):
    student = world(CONTEXT)
    with student.block as inside:
        assert inside == 7 and student.log == ["in"]
    assert student.log == ["in", ("out", None)]
    with pytest.raises(ZeroDivisionError):
        with student.block:
            1 / 0  # noqa: B018
    assert student.log[2:] == ["in", ("out", None)]


def test_keep_leaves_plain_data_there_and_value_fetches_it(world):
    student = world(VALUES)
    kept = student.keep(student.total, 1, 2, scale=3)
    assert type(kept) is Ref and repr(kept) == "<a student's tuple>"
    assert student.value(kept) == (9, {}) and kept[0] == 9 and len(kept) == 2
    assert student.isinstance(kept, "builtins.tuple") and not student.isinstance(kept, "builtins.list")


MODEL = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
        self.free = torch.nn.Parameter(torch.zeros(1))
        torch.manual_seed(0)
        self.register_buffer("seen", torch.tensor(4))
    def forward(self, x): return self.body(x).sum()
net = Net()
weight = net.body[0].weight
def work(x): loss = net(x); loss.backward(); return loss
nested = {"a.b": 1, "l": [{"deep": (1, 2)}]}
"""


def test_gradients_state_and_paths_are_read_where_the_objects_are(world):
    student = world(MODEL)
    loss = student.work(torch.ones(1, 2))
    assert type(loss) is torch.Tensor and not loss.requires_grad, "a tensor that has travelled has no gradient"
    grads = student.grads(student.net)
    assert list(grads) == ["free", "body.0.weight", "body.0.bias"] and grads["free"] is None
    assert grads["body.0.weight"].shape == (3, 2) and bool(grads["body.0.weight"].any())
    assert torch.equal(student.at(student.net, "body.0.weight.grad"), grads["body.0.weight"])
    state = student.state(student.net)
    assert set(state) == {"free", "seen", "body.0.weight", "body.0.bias"} and state["seen"].item() == 4
    assert student.at(student.keep(student.net.state_dict), "seen").item() == 4
    assert student.at(student.lib("collections.UserDict", {"l": [{"deep": (1, 2)}]}), "data.l.0.deep.1") == 2
    with pytest.raises(Missing):
        student.at(student.net, "body.0.absent")


def test_same_and_isinstance_are_answered_on_their_side(world):
    student = world(MODEL)
    layers = student.net.body
    assert student.same(layers[0], student.net.body[0]) and not student.same(layers[0], layers[1])
    assert student.isinstance(layers[0], "torch.nn.Linear") and not student.isinstance(layers[1], "torch.nn.Linear")
    assert student.isinstance(2.5, "builtins.float")


def test_what_travels_shares_no_memory_with_the_students_objects(world):
    student = world(VALUES + "def read(): return tensor.tolist(), array.tolist(), table['a']\n"
                    "def store(t): global stored; stored = t\ndef spoil(): stored.fill_(9)")  # fmt: skip
    before = student.read()
    student.tensor.fill_(-1)
    student.array[:] = -1
    student.table["a"].append(3)
    student.state(student.lib("torch.nn.Linear", 1, 1))["weight"].fill_(5)
    assert student.read() == before == ([[0, 3], [1, 4], [2, 5]],) * 2 + ([1, 2],)
    mine = torch.zeros(2)
    student.store(mine)
    student.spoil()
    assert mine.tolist() == [0, 0] and student.stored.tolist() == [9, 9]


def test_lib_builds_allow_listed_things_there_and_refuses_others(world):
    student = world("")
    layer = student.lib("torch.nn.Linear", 2, 1, bias=False)
    layer.load_state_dict({"weight": torch.tensor([[1.0, 2.0]])})
    assert layer(torch.tensor([3.0, 4.0])).tolist() == [11.0]
    assert student.lib("math.sqrt", 9) == 3.0
    assert student.lib("collections.Counter", "aab") == {"a": 2, "b": 1}
    for path in ("os.system", "builtins.eval", "subprocess.run", "torchvision.models.resnet18", "system", ""):
        with pytest.raises(StudentError, match="not on the list"):
            student.lib(path, "echo")


def test_define_holds_a_checks_own_code_apart_from_the_students_names(world):
    student = world("helper = 1\nimport builtins")
    given_ = student.define(
        "class Box:\n    def __init__(self, v): self.v = v\n"
        "def double(x): return 2 * x\nlimit = 7\n_hidden = 1\nhelper = 'other'"
    )
    assert given_.double(3) == 6 and given_.limit == 7 and given_.Box([1]).v == [1]
    assert student.helper == 1 and not student.has("double")
    with pytest.raises(Missing):
        given_._hidden  # noqa: B018


# ---- given

GIVEN = """
import torch
def unscale(x): return "theirs"
def step(x): return unscale(x)
def with_keyword(): return unscale(x=3)
def fresh(): return trusted_only()
class Bag:
    def __init__(self): self.items = [1, 2, 3]
    def __len__(self): return 3
    def __iter__(self): return iter(self.items)
def bag(): return step(Bag())
def outer(f): return f(inner)
def inner(n): return n + 1
def caught():
    try: unscale(1, 2, 3, wrong=4)
    except TypeError as error: return str(error)
held = None
def hold():
    global held
    held = unscale
    return held(1)
def ask_held(): return held(1)
"""


def test_given_puts_a_trusted_function_in_place_and_takes_it_out_again(world):
    student = world(GIVEN)
    assert student.step(1) == "theirs"
    with student.given(unscale=lambda x: ("ours", x)):
        assert student.step(1) == ("ours", 1) and student.with_keyword() == ("ours", 3)
        assert torch.equal(student.step(torch.ones(2))[1], torch.ones(2))
        with student.given(unscale=lambda x: "inner"):
            assert student.step(1) == "inner"
        assert student.step(1) == ("ours", 1)
    assert student.step(1) == "theirs"


def test_given_removes_a_name_that_did_not_exist(world):
    student = world(GIVEN)
    with student.given(trusted_only=lambda: 5):
        assert student.fresh() == 5
    assert not student.has("trusted_only")
    with pytest.raises(Missing):
        student.fresh()


def test_given_restores_when_its_body_raises(world):
    student = world(GIVEN)
    with pytest.raises(ZeroDivisionError):
        with student.given(unscale=lambda x: 1 / 0, trusted_only=lambda: 5):
            1 / 0  # noqa: B018
    assert student.step(1) == "theirs" and not student.has("trusted_only")


def test_a_name_that_held_none_holds_none_again(world):
    student = world(GIVEN)
    with student.given(held=lambda: 1):
        pass
    assert student.has("held") and student.held is None


def test_a_callback_may_ask_about_what_it_was_given(world):
    student = world(GIVEN)

    def ours(bag):
        assert type(bag) is Ref
        return [len(bag), list(bag), bag.items, student.inner(1)]

    with student.given(unscale=ours):
        assert student.bag() == [3, [1, 2, 3], [1, 2, 3], 2]


def test_callbacks_nest_and_may_be_plain_arguments(world):
    student = world(GIVEN)
    assert student.outer(lambda f: f(f(1))) == 3

    def deeper(f, level=0):
        return level if level == 5 else student.outer(lambda g: deeper(g, level + 1))

    assert student.outer(deeper) == 5


def test_a_callback_that_cannot_use_its_arguments_is_a_type_error_for_the_student(world):
    student = world(GIVEN)
    with student.given(unscale=lambda x: x):
        assert "called with something it cannot use" in student.caught()
    with student.given(unscale=lambda x: x + torch.ones(3)):
        with pytest.raises(StudentError, match="TypeError: this function was called with") as raised:
            student.step("text")
    assert raised.value.kind == "TypeError"


def test_a_trusted_function_cannot_be_asked_after_its_block(world):
    student = world(GIVEN)
    with student.given(unscale=lambda x: "the right answer"):
        assert student.hold() == "the right answer" == student.ask_held()
    with pytest.raises(StudentError, match="TypeError") as raised:
        student.ask_held()
    assert "right answer" not in str(raised.value)


# ---- errors

ERRORS = """
class Silent(Exception):
    def __str__(self): raise ValueError("no")
class Loud(Exception):
    def __str__(self): raise SystemExit
class Meta(type):
    @property
    def __name__(cls): raise RuntimeError
    def __getattribute__(cls, name): raise RuntimeError
class Odd(Exception, metaclass=Meta): pass
class Slippery(str):
    def __getitem__(self, key): return object()
class Slides(Exception):
    def __str__(self): return Slippery("slid")
class Died(Exception): pass
class TimedOut(Exception): pass
def todo(): raise NotImplementedError
def name(): return undefined_name
def attribute(): return (1).absent
def leave(): raise SystemExit(3)
def silent(): raise Silent
def loud(): raise Loud
def odd(): raise Odd
def slides(): raise Slides
def endless(): return endless()
def huge(): raise ValueError("x" * 10_000_000)
def long_name(): raise type("N" * 100_000, (Exception,), {})("short")
def fake_death(): raise Died("not really")
def fake_time(): raise TimedOut("not really")
def base(): raise BaseException("base")
def stop(): raise StopIteration(1)
def exit_generator(): raise GeneratorExit
def deep():
    x = []
    for _ in range(100): x = [x]
    return x
def big_integer(): return 10 ** 5000
def surrogate(): raise ValueError("\\ud800")
def chained():
    try: 1 / 0
    except ZeroDivisionError as e: raise KeyError("k") from e
"""


@pytest.mark.parametrize(
    "name, error, kind, text",
    [
        ("todo", NotWritten, "NotImplementedError", ""),
        ("name", Missing, "NameError", "name 'undefined_name' is not defined"),
        ("attribute", Missing, "AttributeError", "'int' object has no attribute 'absent'"),
        ("leave", StudentError, "SystemExit", "3"),
        ("silent", StudentError, "Silent", "(its message could not be read)"),
        ("loud", StudentError, "Loud", "(its message could not be read)"),
        ("odd", StudentError, "Odd", ""),
        ("slides", StudentError, "Slides", "slid"),
        ("endless", StudentError, "RecursionError", "maximum recursion depth exceeded"),
        ("huge", StudentError, "ValueError", "x" * TRACEBACK_CHARS),
        ("long_name", StudentError, "N" * 80, "short"),
        ("fake_death", StudentError, "Died", "not really"),
        ("fake_time", StudentError, "TimedOut", "not really"),
        ("base", StudentError, "BaseException", "base"),
        ("stop", StudentError, "StopIteration", "1"),
        ("exit_generator", StudentError, "GeneratorExit", ""),
        ("deep", StudentError, "WireError", "the value is nested more than 32 levels deep"),
        ("surrogate", StudentError, "ValueError", "\ud800"),
        ("chained", StudentError, "KeyError", "'k'"),
    ],
)
def test_what_a_student_raises_arrives_as_one_kind_of_student_error_and_is_bounded(world, name, error, kind, text):
    student = world(ERRORS)
    with pytest.raises(StudentError) as raised:
        getattr(student, name)()
    assert type(raised.value) is error and raised.value.kind == kind and raised.value.text == text
    assert len(raised.value.trace) <= TRACEBACK_CHARS
    assert student.has("todo"), "the student can be asked on"


def test_an_answer_that_cannot_travel_is_the_students_error(world):
    with pytest.raises(StudentError, match="WireError.*digits"):
        world(ERRORS).big_integer()


def test_a_traceback_shows_the_students_lines_and_none_of_ours(children):
    student = children("def f(x):\n    return g(x)\ndef g(x):\n    return x / 0").student
    with pytest.raises(StudentError, match="ZeroDivisionError") as raised:
        student.f(1)
    assert "in f" in raised.value.trace and "in g" in raised.value.trace
    assert "host.py" not in raised.value.trace and "do_call" not in raised.value.trace


def test_a_keyboard_interrupt_is_the_users_own_in_a_notebook_and_the_students_in_a_child(children):
    source = "def f(): raise KeyboardInterrupt('now')\ndef g(): return 1"
    namespace = {}
    exec(source, namespace)
    with pytest.raises(KeyboardInterrupt):
        loopback(namespace).f()
    student = children(source).student
    with pytest.raises(StudentError) as raised:  # it must not stop the batch
        student.f()
    assert raised.value.kind == "KeyboardInterrupt" and student.g() == 1


def test_a_hostile_answer_is_cut_to_size_or_taken_for_a_death():
    def answering(value, seconds=None):
        return Student(lambda frame, seconds: wire.pack(value, lambda tree: {"r": tree.ref}), seconds)

    class Handle:
        def __init__(self, *ref):
            self.ref = list(ref)

    with pytest.raises(StudentError) as raised:
        answering(["error", "K" * 10_000, "t" * 10**6, "r" * 10**6]).f  # noqa: B018
    assert [len(x) for x in (raised.value.kind, raised.value.text, raised.value.trace)] == [80, 4000, 4000]
    for odd in (None, [], ["ok"], ["ok", 1, 2], ["fine", 1], ["error", "K", "t"], ["error", 1, 2, 3], "ok", {"ok": 1},
                ["ok", Handle("0", "x")], ["ok", Handle(0)], ["ok", Handle(0, None)]):  # fmt: skip
        with pytest.raises(Died):
            answering(odd).f  # noqa: B018
    for odd in (1, "yes", [True], None):
        student = answering(["ok", odd])
        assert not (student.has("f") or student.same(1, 1) or student.isinstance(1, "builtins.int")), "only True is yes"
    ref = answering(["ok", Handle(0, "k" * 1000)]).f
    assert len(repr(ref)) < 120
    for odd in (2**31, -1, 1.0, True, "3", None):
        with pytest.raises(Unfit):
            len(Ref(answering(["ok", odd]), 0, "list"))
    with pytest.raises(Unfit):
        list(Ref(answering(["ok", "not a list"]), 0, "list"))


def test_a_hostile_callback_frame_is_answered_and_never_raised():
    student = Student(lambda frame, seconds: wire.pack(["ok", 1], no_handle))
    for odd in (b"", b"garbage" * 9, frame(3), frame({"l": []}), frame({"l": [99, {"l": []}, {"d": []}]}),
                frame({"l": [None, {"l": []}, {"d": []}]}), frame({"l": [0, 3, {"d": []}]})):  # fmt: skip
        status, message = wire.unpack(student.answer(odd), no_handle)
        assert status == "error" and len(message) <= 500


# ---- refusals


REFUSED = {
    "==": lambda r: r == 1, "!=": lambda r: r != 1, "<": lambda r: r < 1, ">=": lambda r: 1 >= r, "bool": bool,
    "not": lambda r: not r, "if": lambda r: 1 if r else 0, "float": float, "int": int, "complex": complex,
    "round": round, "abs": abs, "-x": lambda r: -r, "+x": lambda r: +r, "~x": lambda r: ~r, "in": lambda r: 1 in r,
    "x + 1": lambda r: r + 1, "1 + x": lambda r: 1 + r, "x - 1": lambda r: r - 1, "x * 2": lambda r: r * 2,
    "2 * x": lambda r: 2 * r, "x / 2": lambda r: r / 2, "2 / x": lambda r: 2 / r, "x // 2": lambda r: r // 2,
    "x % 2": lambda r: r % 2, "x ** 2": lambda r: r**2, "2 ** x": lambda r: 2**r, "x @ x": lambda r: r @ r,
    "x & 1": lambda r: r & 1, "1 | x": lambda r: 1 | r, "x << 1": lambda r: r << 1, "divmod": lambda r: divmod(r, 2),
    "range": range, "math.sqrt": math.sqrt, "math.isfinite": math.isfinite, "format": lambda r: f"{r:.3f}",
    "x[0] = 1": lambda r: r.__setitem__(0, 1), "del x[0]": lambda r: r.__delitem__(0), "index": lambda r: [1, 2][r],
    "tensor + x": lambda r: torch.ones(2) + r,
}  # fmt: skip


@pytest.mark.parametrize("operation", REFUSED)
def test_a_ref_refuses_to_be_used_as_plain_data_in_the_students_name(operation):
    student = loopback({"thing": object()})
    with pytest.raises(Unfit, match="got an object of type object where plain data .* was expected"):
        REFUSED[operation](student.thing)


def test_a_ref_can_be_a_key_but_equals_nothing(world):
    ref = world(VALUES).thing
    assert {ref: 1}[ref] == 1
    with pytest.raises(Unfit):
        ref == ref  # noqa: B015


def test_a_check_that_sends_what_cannot_travel_is_told_how_to_build_it(world):
    with pytest.raises(wire.WireError, match="build it on the student's side with student.lib"):
        world(VALUES).total({1, 2})


# ---- clocks and deaths


def gone(pid: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_a_call_over_its_limit_is_timed_out(world):
    student = world("import time\ndef slow(s): time.sleep(s); return 1")
    with student.within(30):
        assert student.slow(0.01) == 1
        with student.within(0.2), pytest.raises(TimedOut):
            student.slow(0.6)


LOOPS = {
    "a loop": "def f():\n    while True: pass",
    "a loop that catches everything": "def f():\n    while True:\n        try:\n            while True: pass\n"
    "        except BaseException: pass",
    "a sleep in compiled code": "import time\ndef f(): time.sleep(1000)",
    "a thread and signals blocked": "import signal, threading, time\n"
    "def f():\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    time.sleep(1000)",
    "an endless length": "class L:\n    def __len__(self):\n        while True: pass\nf = lambda: len(L())",
}


@pytest.mark.parametrize("name", LOOPS)
def test_within_stops_what_does_not_end_and_its_process_is_gone(children, name):
    child = children(LOOPS[name])
    os.kill(child.pid, 0)  # it lives
    start = time.monotonic()
    with child.student.within(0.3), pytest.raises(TimedOut, match="0.3 s"):
        child.student.f()
    assert time.monotonic() - start < 5
    assert gone(child.pid)
    with pytest.raises(Died):
        child.student.has("f")


def test_a_limit_covers_what_callbacks_ask_on_the_way(children):
    child = children(
        "import time\n"
        "class Again:\n    def __len__(self):\n        time.sleep(0.1); ours(self); return 1\n"
        "def f(): return ours(Again())"
    )
    start = time.monotonic()
    with pytest.raises(TimedOut), child.student.within(0.5), child.student.given(ours=len):
        child.student.f()
    assert time.monotonic() - start < 3 and gone(child.pid)


def test_what_happened_first_is_what_is_told_after_a_death_inside_given_and_with(children):
    source = "import time, contextlib\ndef f(): time.sleep(100)\nblock = contextlib.nullcontext()"
    for inside in (lambda s: s.given(f2=len), lambda s: s.block):
        student = children(source).student
        with pytest.raises(TimedOut), student.within(0.2), inside(student):
            student.f()


DEATHS = {
    "os._exit": "import os\ndef f(): os._exit(0)",
    "a segmentation fault": "import ctypes\ndef f(): ctypes.string_at(0)",
    "a closed socket": "import os\ndef f():\n    os.closerange(3, 1000)",
    "the stack overflown in C": "import sys, os\ndef f():\n    os.abort()",
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_child_that_ends_is_died_and_leaves_no_process(children, name):
    child = children(DEATHS[name])
    with child.student.within(20), pytest.raises(Died):
        child.student.f()
    assert gone(child.pid)
    with pytest.raises(Died):
        child.student.f()


SOCKET = """
import os, stat, struct
def sockets():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): yield fd
        except OSError: pass
def say(data):
    for fd in sockets(): os.write(fd, data)
    return len(list(sockets()))
"""
HEADERS = [b"[1, 2]", b'{"v": {"pickle": ""}, "n": []}', b"\xff\xff", b'{"v": {"l": ["ok"]}, "n": []}']


@pytest.mark.parametrize(
    "data",
    [
        np.random.default_rng(0).bytes(4000),
        b"a" + bytes([255]) * 64,
        b"a" + wire.HEAD.pack(0, 2**40),
        *[b"a" + wire.HEAD.pack(len(h), 0) + h for h in HEADERS],
        b"a" + wire.HEAD.pack(200_000, 0) + b"[" * 200_000,
    ],
    ids=lambda d: repr(d[:12]),
)
def test_a_child_that_writes_garbage_into_its_socket_is_died(children, data):
    child = children(SOCKET)
    assert child.student.say(b"") == 1, "the child has one socket, and the test finds it"
    with child.student.within(20), pytest.raises(Died):
        child.student.say(data)


def test_a_frame_that_never_ends_meets_the_clock(children):
    child = children(SOCKET)
    with child.student.within(0.5), pytest.raises(TimedOut):
        child.student.say(b"a" + wire.HEAD.pack(2**20, 0) + b"{")
        child.student.say(b"")
    assert gone(child.pid)


def test_a_cells_output_and_error_are_bounded_before_they_leave_the_child(children):
    child = children("")
    assert child.run("1 + 1")[-1]["data"]["text/plain"] == "2"
    (stream,) = child.run("print('x' * 5_000_000)")
    assert stream["name"] == "stdout" and len(stream["text"]) == 2_000_000
    outputs = child.run("class Silent(Exception):\n    def __str__(self): raise ValueError('no')\nraise Silent")
    assert outputs[-1]["output_type"] == "error"
    (outputs,) = child.run("raise KeyboardInterrupt('x' * 5_000_000)")
    assert outputs["ename"] == "KeyboardInterrupt" and len(outputs["evalue"]) <= TRACEBACK_CHARS
    child.run("raise SystemExit")
    assert child.student.has("Silent"), "the child lives on"


def test_children_of_one_nursery_do_not_see_each_other(children):
    one, two = children("x = 1\nimport os\npid = os.getpid()"), children("import os\npid = os.getpid()")
    assert one.student.x == 1 and not two.student.has("x")
    assert one.pid != two.pid and one.student.pid == two.student.pid == 1, "each is the first of its own namespace"


def test_this_process_imports_nothing_that_a_child_imports(children):
    import sys

    sys.modules.pop("chunk", None)
    child = children("import chunk")
    assert type(child.student.chunk) is Ref and "chunk" not in sys.modules


# ---- what cells have left behind


def test_a_check_runs_with_torchs_settings_as_at_the_start_and_leaves_them_as_they_were():
    def f():
        return [
            torch.tensor(1.5).dtype,
            torch.ones(1).device.type,
            (torch.ones(1, requires_grad=True) * 2).requires_grad,
        ]

    student = loopback({"f": f})
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    try:
        with student.settled():
            assert student.keep(student.f) is not None
            assert f() == [torch.float32, "cpu", True]
        assert f() == [torch.float64, "meta", False]
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device("cpu")
        torch.set_grad_enabled(True)
