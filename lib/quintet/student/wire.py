"""Plain data as bytes: a JSON header and raw buffers, never pickle.

A frame is `header length (8 bytes, big endian) · body length (8 bytes) · JSON header · body`. The header holds the
value's tree and the lengths of the buffers that the body concatenates. Numbers, strings and None stand for themselves;
everything else is a one-key object:

    {"l": [...]} list   {"t": [...]} tuple   {"d": [[k, v], ...]} dict   {"b": i} bytes, buffer i
    {"T": [dtype, shape, i]} torch tensor   {"A": [dtype, shape, i]} numpy array or scalar   {"D": name} torch dtype
    {"S": [start, stop, step]} slice   {"r": [id, type name]} handle   {"c": id} callback
"""

import json
import math
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

HEAD = struct.Struct(">QQ")
MAX_BYTES = 256 * 2**20  # one frame; larger than any check needs, smaller than what would hurt
MAX_DEPTH = 32
TENSOR_DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 float8_e4m3fn float8_e5m2"
).split()


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
        if v is None or type(v) in (bool, str):
            return v
        if isinstance(v, (int, float)) and not isinstance(v, bool):
            return int(v) if isinstance(v, int) else float(v)
        if isinstance(v, (bytes, bytearray)):
            return {"b": buffer(bytes(v))}
        if isinstance(v, (list, tuple)):  # also named tuples: a right answer in an unusual style
            return {"t" if isinstance(v, tuple) else "l": [tree(x, depth + 1) for x in v]}
        if isinstance(v, dict):
            return {"d": [[tree(k, depth + 1), tree(x, depth + 1)] for k, x in v.items()]}
        if isinstance(v, slice):
            return {"S": [tree(x, depth + 1) for x in (v.start, v.stop, v.step)]}
        if isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "biufc":
            v = np.asarray(v)
            return {"A": [v.dtype.str, list(v.shape), buffer(np.ascontiguousarray(v).tobytes())]}
        torch = sys.modules.get("torch")  # a lab without torch does not pay for its import
        if torch is not None:
            if isinstance(v, torch.dtype):
                return {"D": str(v).removeprefix("torch.")}
            if type(v) in (torch.Tensor, torch.nn.Parameter) and v.layout == torch.strided and not v.is_quantized:
                dtype = str(v.dtype).removeprefix("torch.")
                if dtype in TENSOR_DTYPES:
                    flat = v.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
                    return {"T": [dtype, list(v.shape), buffer(flat.view(torch.uint8).numpy().tobytes())]}
        return handle(v)

    header = json.dumps({"v": tree(value), "n": [len(b) for b in buffers]}).encode()
    frame = b"".join([HEAD.pack(len(header), sum(map(len, buffers))), header, *buffers])
    if len(frame) > MAX_BYTES:
        raise WireError(f"the value takes {len(frame):,} bytes, more than the {MAX_BYTES:,} that may travel at once")
    return frame


def unpack(frame: bytes, handle: Callable[[dict], Any]) -> Any:
    """Unpack a frame; `handle` turns a handle's or a callback's tree into an object. Raises WireError on anything
    malformed."""
    try:
        head, body = HEAD.unpack_from(frame)
        if len(frame) > MAX_BYTES or len(frame) != HEAD.size + head + body:
            raise WireError("the frame's length does not match its header")
        header = json.loads(frame[HEAD.size : HEAD.size + head])
        buffers, at = [], HEAD.size + head
        for n in header["n"]:
            if type(n) is not int or n < 0 or at + n > len(frame):
                raise WireError("a buffer reaches past the frame")
            buffers.append(frame[at : at + n])
            at += n
        return _untree(header["v"], buffers, handle, 0)
    except WireError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, struct.error, RecursionError, OverflowError) as error:
        raise WireError(f"malformed frame: {error}") from None


def _untree(t: Any, buffers: list[bytes], handle: Callable[[dict], Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError("the value is nested too deep")

    def inner(x: Any) -> Any:
        return _untree(x, buffers, handle, depth + 1)

    if t is None or isinstance(t, (bool, int, float, str)):
        return t
    if not isinstance(t, dict) or len(t) != 1:
        raise WireError("malformed tree")
    (kind, v), *_ = t.items()
    match kind:
        case "l":
            return [inner(x) for x in v]
        case "t":
            return tuple(inner(x) for x in v)
        case "d":
            return {inner(k): inner(x) for k, x in v}
        case "S":
            return slice(*[inner(x) for x in v])
        case "b":
            return buffers[v]
        case "A":
            dtype, shape, i = v
            dtype = np.dtype(dtype)
            _expect(dtype.kind in "biufc" and math.prod(shape) * dtype.itemsize == len(buffers[i]))
            return np.frombuffer(buffers[i], dtype).reshape(shape).copy()
        case "T":
            import torch

            dtype, shape, i = v
            _expect(dtype in TENSOR_DTYPES)
            dtype = getattr(torch, dtype)
            _expect(all(type(n) is int and n >= 0 for n in shape))
            _expect(math.prod(shape) * dtype.itemsize == len(buffers[i]))
            if not buffers[i]:
                return torch.empty(shape, dtype=dtype)
            return torch.frombuffer(bytearray(buffers[i]), dtype=torch.uint8).view(dtype).reshape(shape)
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
    size = sum(HEAD.unpack(head))
    if size + HEAD.size > MAX_BYTES:
        raise WireError(f"the other side announced {size:,} bytes, more than the {MAX_BYTES:,} that may travel at once")
    return head + read(size)
