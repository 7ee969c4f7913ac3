"""Loss scaling beside torch's, on the gradients of a ResNet-18: 62 tensors, 11.7 million fp32 numbers, 47 MB."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from quintet import amp
from quintet_grading.bench import Side, bench

# Both sides divide the same gradients again and again. A scale a little above 1 leaves them finite and normal (a call
# takes a thousandth), and is not 1, for which torch's kernel has a short cut.
SCALE = 1 + 2.0**-10


def parameters() -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    """ResNet-18's parameters and gradients, random but the same at every call, and their optimizer."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = [p.shape for p in resnet18().parameters()]
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for p in params:
        p.grad = torch.randn_like(p)
    return params, torch.optim.SGD(params, lr=1e-3, momentum=0.9)


def sides(step: Callable[[Any, torch.optim.Optimizer, Tensor], None]) -> tuple[Side, Side]:
    """`step(scaler, optimizer, loss)` with our scaler and with torch's, each on its own copy of the gradients."""

    def side(scaler: Any) -> Side:
        params, optimizer = parameters()
        loss = torch.ones(())
        scaler.scale(loss)  # torch's makes its scale on first use

        def once() -> tuple[list[Tensor], list[Tensor | None], float]:
            step(scaler, optimizer, loss)
            return params, [p.grad for p in params], scaler.get_scale()

        return once

    return side(amp.GradScaler(SCALE)), side(torch.amp.GradScaler("cpu", SCALE))


@bench(peer="torch.amp.GradScaler")
def unscale():
    """Unscaling with the check for inf and NaN, alone.

    Informs only. torch's kernel does both while a number is in a register, and so reads and writes the gradients once.
    With torch's public operators the check is a pass of its own: three passes for two, so 0.67 where all of them go to
    memory. Here the third finds most numbers in the cache, and 16 rounds of Python for 62 tensors cost as much again.
    """

    def step(scaler, optimizer, loss):
        scaler.unscale_(optimizer)
        scaler.update()

    return sides(step)


@bench(peer="torch.amp.GradScaler", bar=1 / 1.2)
def scaler_step():
    """What a training step spends beside forward and backward: scale, unscale, check, SGD with momentum, update."""

    def step(scaler, optimizer, loss):
        scaler.scale(loss)
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()

    return sides(step)
