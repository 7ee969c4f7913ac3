"""Network, loss and sliding window beside MONAI's, in fp32.

The two networks have equal channels and strides and cannot compute the same: MONAI's gates project both inputs on the
fine grid, ours on the coarse one as the paper's, and its decoder's convolutions are larger. So for them "agree" means
the same shape, finite, from the same input; and ours must not take more memory, else the row fails before it is timed.
Memory: `measure.peak_bytes`, the most tensor bytes alive at once by the profiler's memory events, in one call.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from quintet import attention_unet as au
from quintet import measure
from quintet_grading.bench import Side, bench

CHANNELS, STRIDES = (16, 32, 64), (2, 2)
SHAPE = (2, 1, 32, 48, 48)


def same_kind(ours: Any, theirs: Any) -> None:
    if ours.shape != theirs.shape or not (ours.isfinite().all() and theirs.isfinite().all()):
        raise AssertionError(f"expected finite results of one shape, got {tuple(ours.shape)} and {tuple(theirs.shape)}")


def no_larger(ours: Side, theirs: Side) -> tuple[Side, Side]:
    mine, peers = measure.peak_bytes(ours), measure.peak_bytes(theirs)
    if mine > peers:
        text = f"{measure.bytes_text(mine)} at the peak, MONAI's {measure.bytes_text(peers)}"
        raise AssertionError(f"expected no more memory than the peer's, got {text}")
    return ours, theirs


def networks() -> tuple[nn.Module, nn.Module]:
    from monai.networks.nets import AttentionUnet

    torch.manual_seed(0)
    return au.AttentionUnet3d(1, 1, CHANNELS, STRIDES), AttentionUnet(3, 1, 1, CHANNELS, STRIDES)


@bench(peer="MONAI AttentionUnet", bar=1.0, agree=same_kind, rounds=30, seconds=60.0)
def forward():
    """Inference of two volumes of 32×48×48 voxels."""
    x = torch.randn(SHAPE)

    def side(net: nn.Module) -> Side:
        net.eval()

        @torch.no_grad()
        def run() -> Tensor:
            return net(x)

        return run

    return no_larger(*map(side, networks()))


@bench(peer="MONAI AttentionUnet", bar=1.0, agree=same_kind, rounds=30, seconds=90.0)
def step():
    """Forward, one loss for both, backward and AdamW, of the same two volumes."""
    x, mask = torch.randn(SHAPE), (torch.rand(SHAPE) < 0.01).float()

    def side(net: nn.Module) -> Side:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
        au.train_step(net, optimizer, x, mask)  # AdamW's state is there before memory is counted
        optimizer.zero_grad(set_to_none=True)
        return lambda: au.train_step(net, optimizer, x, mask)

    return no_larger(*map(side, networks()))


@bench(peer="MONAI DiceLoss", bar=1.0)
def dice():
    """The loss and its gradient, of 8 patches of 32×48×48 voxels."""
    from monai.losses import DiceLoss

    torch.manual_seed(0)
    logits = torch.randn(8, 1, 32, 48, 48, requires_grad=True)
    target = (torch.rand(logits.shape) < 0.01).float()
    peer = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)

    def side(loss: Any) -> Side:
        def run() -> tuple[Tensor, ...]:
            value = loss(logits, target)
            return value.detach(), *torch.autograd.grad(value, logits)

        return run

    return side(au.dice_loss), side(peer)


@bench(peer="MONAI sliding_window_inference", bar=1.0)
def sliding_window():
    """A block of 48×128×128 voxels in windows of 32×48×48, overlap ¼, Gaussian blending, four at a time. What
    predicts is one multiplication: timed are cutting, weighing and adding up, and not a network that both share."""
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    volume, size = torch.randn(1, 1, 48, 128, 128), (32, 48, 48)

    def predict(x: Tensor) -> Tensor:
        return x * math.pi

    return (
        lambda: au.sliding_window(volume, size, predict, 0.25, "gaussian", 4),
        lambda: sliding_window_inference(volume, size, 4, predict, 0.25, mode="gaussian"),
    )
