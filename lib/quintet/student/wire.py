"""Plain data as bytes: a JSON header and raw buffers, never pickle.

A frame is `header length (8 bytes, big endian) · body length (8 bytes) · JSON header · body`. The header holds the
value's tree and the lengths of the buffers that the body concatenates. Numbers, strings and None stand for themselves;
everything else is a one-key object:

    {"l": [...]} list   {"t": [...]} tuple   {"d": [[k, v], ...]} dict   {"b": i} bytes, buffer i
    {"T": [dtype, shape, i]} torch tensor   {"A": [dtype, shape, i]} numpy array or scalar   {"D": name} torch dtype
    {"S": [start, stop, step]} slice   {"r": [id, type name]} handle   {"c": id} callback

A value uses each buffer at most once, so that what unpacking takes is bounded by the frame's length.
"""

import json
import math
import re
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

HEAD = struct.Struct(">QQ")
MAX_BYTES = 256 * 2**20  # one frame; larger than any check needs, smaller than what would hurt
MAX_HEADER = 32 * 2**20  # of JSON, whose objects take up to 25 times the memory of its text
MAX_DEPTH = 32
MAX_DIMS = 64
TENSOR_DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 float8_e4m3fn float8_e5m2"
).split()
PLAIN = frozenset((type(None), bool, int, float, str))  # as JSON has them; most of what travels
ARRAY_DTYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")


class WireError(ValueError):
    """A frame that cannot be packed or unpacked: too large, too deep, malformed, or not plain data."""


def pack(value: Any, handle: Callable[[Any], dict]) -> bytes:
    """Pack `value`; whatever is not plain goes to `handle`, which returns its tree or raises."""
    buffers: list[bytes] = []

    def buffer(data: bytes) -> int:
        buffers.append(data)
        return len(buffers) - 1

    def tree(v: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise WireError(f"the value is nested more than {MAX_DEPTH} levels deep")
        if type(v) in PLAIN:
            return v
        if isinstance(v, (int, float)) and not isinstance(v, bool):
            return int(v) if isinstance(v, int) else float(v)
        if isinstance(v, (bytes, bytearray)):
            return {"b": buffer(bytes(v))}
        if isinstance(v, (list, tuple)):  # also named tuples: a right answer in an unusual style
            return {"t" if isinstance(v, tuple) else "l": [tree(x, depth + 1) for x in v]}
        if isinstance(v, dict):
            return {"d": [[tree(_key(k), depth + 1), tree(x, depth + 1)] for k, x in v.items()]}
        if isinstance(v, slice):
            return {"S": [tree(x, depth + 1) for x in (v.start, v.stop, v.step)]}
        if isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "biufc":
            v = np.asarray(v)
            return {"A": [v.dtype.str, list(v.shape), buffer(np.ascontiguousarray(v).tobytes())]}
        torch = sys.modules.get("torch")  # a lab without torch does not pay for its import
        if torch is not None:
            if isinstance(v, torch.dtype) and (name := str(v).removeprefix("torch.")) in TENSOR_DTYPES:
                return {"D": name}
            if type(v) in (torch.Tensor, torch.nn.Parameter) and v.layout == torch.strided and not v.is_meta:
                dtype = str(v.dtype).removeprefix("torch.")
                if dtype in TENSOR_DTYPES:
                    flat = v.detach().cpu().resolve_conj().resolve_neg().contiguous()
                    flat = flat.as_strided((v.numel(),), (1,))  # a size of 1 or 0 may have any stride and be contiguous
                    return {"T": [dtype, list(v.shape), buffer(flat.view(torch.uint8).numpy().tobytes())]}
        return handle(v)

    root = tree(value)
    try:
        header = json.dumps({"v": root, "n": [len(b) for b in buffers]}).encode()
    except ValueError as error:  # an integer of more than 4,300 digits
        raise WireError(f"not plain data: {error}") from None
    size = HEAD.size + len(header) + sum(map(len, buffers))
    if size > MAX_BYTES or len(header) > MAX_HEADER:
        raise WireError(
            f"the value takes {size:,} bytes, {len(header):,} of them outside of arrays: more than the {MAX_BYTES:,} "
            f"and {MAX_HEADER:,} that may travel at once"
        )
    return b"".join([HEAD.pack(len(header), size - HEAD.size - len(header)), header, *buffers])


def _key(k: Any) -> Any:
    """A dict's key; a numpy scalar as the number it is, since an array cannot be a key."""
    if isinstance(k, tuple):
        return tuple(_key(x) for x in k)
    return k.item() if isinstance(k, np.generic) else k


def unpack(frame: bytes, handle: Callable[[dict], Any]) -> Any:
    """Unpack a frame; `handle` turns a handle's or a callback's tree into an object. Raises WireError on anything
    malformed."""
    try:
        head, body = HEAD.unpack_from(frame)
        if len(frame) > MAX_BYTES or head > MAX_HEADER or len(frame) != HEAD.size + head + body:
            raise WireError("the frame's length does not match its header")
        header = json.loads(frame[HEAD.size : HEAD.size + head])
        buffers, at = [], HEAD.size + head
        for n in header["n"]:
            if type(n) is not int or n < 0 or at + n > len(frame):
                raise WireError("a buffer reaches past the frame")
            buffers.append(frame[at : at + n])
            at += n
        if at != len(frame):
            raise WireError("the buffers do not fill the frame")
        return _untree(header["v"], buffers, handle, 0)
    except WireError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, struct.error, RuntimeError, OverflowError) as error:
        raise WireError(f"malformed frame: {str(error)[:200]}") from None  # RuntimeError: RecursionError, torch's own


def _untree(t: Any, buffers: list[bytes | None], handle: Callable[[dict], Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError("the value is nested too deep")
    if type(t) in PLAIN:
        return t

    def inner(x: Any) -> Any:
        return _untree(x, buffers, handle, depth + 1)

    def items(x: Any, n: int | None = None) -> list:
        if type(x) is not list or n not in (None, len(x)):
            raise WireError("malformed tree")
        return x

    def take(i: Any) -> bytes:
        data = buffers[i] if type(i) is int and 0 <= i < len(buffers) else None
        if data is None:
            raise WireError("a buffer is missing or used twice")
        buffers[i] = None
        return data

    def sized(shape: Any, itemsize: int, data: bytes) -> list:
        _expect(len(items(shape)) <= MAX_DIMS and all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape))
        _expect(math.prod(shape) * itemsize == len(data))
        return shape

    if not isinstance(t, dict) or len(t) != 1:
        raise WireError("malformed tree")
    (kind, v), *_ = t.items()
    match kind:
        case "l":
            return [inner(x) for x in items(v)]
        case "t":
            return tuple(inner(x) for x in items(v))
        case "d":
            return {inner(k): inner(x) for k, x in (items(pair, 2) for pair in items(v))}
        case "S":
            return slice(*[inner(x) for x in items(v, 3)])
        case "b":
            return take(v)
        case "A":
            dtype, shape, i = items(v, 3)
            _expect(type(dtype) is str and ARRAY_DTYPE.fullmatch(dtype) is not None)
            dtype, data = np.dtype(dtype), take(i)
            _expect(dtype.kind != "b" or not data.strip(b"\0\1"))
            return np.frombuffer(data, dtype).reshape(sized(shape, dtype.itemsize, data)).copy()
        case "T":
            import torch

            dtype, shape, i = items(v, 3)
            _expect(dtype in TENSOR_DTYPES)
            dtype, data = getattr(torch, dtype), take(i)
            _expect(dtype != torch.bool or not data.strip(b"\0\1"))
            shape = sized(shape, dtype.itemsize, data)
            if not data:
                return torch.empty(shape, dtype=dtype)
            return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(dtype).reshape(shape)
        case "D":
            import torch

            _expect(v in TENSOR_DTYPES)
            return getattr(torch, v)
        case "r" | "c":
            return handle(t)
    raise WireError(f"unknown kind {kind!r}")


def _expect(condition: bool) -> None:
    if not condition:
        raise WireError("an array's shape, dtype and size do not agree")


def read_frame(read: Callable[[int], bytes]) -> bytes:
    """Read one frame from a stream; `read(n)` returns exactly n bytes or raises. The cap is tested before anything is
    read."""
    head = read(HEAD.size)
    header, body = HEAD.unpack(head)
    size = header + body
    if size + HEAD.size > MAX_BYTES or header > MAX_HEADER:
        raise WireError(f"the other side announced {size:,} bytes, more than the {MAX_BYTES:,} that may travel at once")
    return head + read(size)
