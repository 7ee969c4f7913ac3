"""Observing and quantising to int8 beside torch.ao's observers, on 8.4 million fp32 numbers: 512 filters of 16,384."""

import warnings
from typing import Any

import torch
from torch import Tensor

from quintet import compression
from quintet_grading.bench import Side, bench

SHAPE = 512, 16384


def weights() -> Tensor:
    """Normal weights with filters of very different size, the same at every call."""
    torch.manual_seed(0)
    return torch.randn(SHAPE) * torch.logspace(-2, 1, SHAPE[0])[:, None]


def agree(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    """Scales to a few roundings; integers within one step, which they differ by at ties only: in one entry of 1,000.

    Theirs computes the scale in fp32 and multiplies by 1 / scale, three roundings of 2^-24 more than ours.
    """
    torch.testing.assert_close(ours[0], theirs[0], rtol=4 * 2.0**-24, atol=0)
    steps = (ours[1].short() - theirs[1].short()).abs()
    assert steps.max() <= 1 and steps.count_nonzero() < 1e-3 * steps.numel(), f"{steps.count_nonzero()} entries differ"


def sides(axis: int | None, observer: Any, to_int8: Any) -> tuple[Side, Side]:
    x = weights()

    def ours() -> tuple[Tensor, Tensor]:
        p = compression.params(*compression.minmax(x, axis), symmetric=True, axis=axis)
        return p.scale, compression.quantise(x, p)

    def theirs() -> tuple[Tensor, Tensor]:
        watch = observer()
        watch(x)
        scale, zero_point = watch.calculate_qparams()
        with warnings.catch_warnings():  # deprecated, but what the eager mode has run on
            warnings.simplefilter("ignore")
            return scale.reshape(ours_shape), to_int8(x, scale, zero_point).int_repr()

    ours_shape = () if axis is None else (SHAPE[axis],)
    return ours, theirs


@bench(peer="torch.ao, per channel", bar=1.0, agree=agree)
def quantise():
    """Weights per channel, symmetric int8, -127 to 127: PerChannelMinMaxObserver and torch.quantize_per_channel."""
    from torch.ao.quantization.observer import PerChannelMinMaxObserver

    def observer():
        return PerChannelMinMaxObserver(
            ch_axis=0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127
        )

    return sides(0, observer, lambda x, s, z: torch.quantize_per_channel(x, s, z, 0, torch.qint8))


@bench(peer="torch.ao, per tensor", agree=agree)
def quantise_tensor():
    """The same per tensor: MinMaxObserver and torch.quantize_per_tensor.

    Informs only. torch's kernel divides, rounds, clamps and narrows while a number is in a register; here each is an
    operator of its own that reads and writes a cache, and one more looks for inf and NaN.
    """
    from torch.ao.quantization.observer import MinMaxObserver

    def observer():
        return MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric, quant_min=-127, quant_max=127)

    return sides(None, observer, lambda x, s, z: torch.quantize_per_tensor(x, s, z, torch.qint8))
