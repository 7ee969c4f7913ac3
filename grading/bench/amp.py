"""Loss scaling beside torch's, on the gradients of a ResNet-18: 62 tensors, 11.7 million fp32 numbers, 47 MB."""

from typing import Any

import torch
from torch import Tensor

from quintet import amp
from quintet_grading.bench import Side, bench

# Both sides multiply the same gradients again and again. A scale a little above 1 leaves them finite and normal (they lose a
# thousandth a call), and is not 1, for which torch's kernel has a short cut.
SCALE = 1 + 2.0**-10


def resnet18() -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    """Parameters with gradients, the same at every call, and their optimizer; activations and batch norm play no part."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    params = list(resnet18().parameters())
    for p in params:
        p.grad = torch.randn_like(p) * 1e-2
    return params, torch.optim.SGD(params, lr=1e-3, momentum=0.9)


def sides(step: Any) -> tuple[Side, Side]:
    """`step(scaler, optimizer, loss)` with our scaler and with torch's, each on its own copy of the gradients."""

    def side(scaler: Any) -> Side:
        params, optimizer = resnet18()
        loss = torch.ones(())
        scaler.scale(loss)  # torch's makes its scale on first use

        def once() -> list[Tensor | None]:
            step(scaler, optimizer, loss)
            return [params[0].grad, params[-1].detach(), scaler.get_scale()]

        return once

    return side(amp.GradScaler(SCALE)), side(torch.amp.GradScaler("cpu", SCALE))


@bench(peer="torch.amp.GradScaler")
def unscale():
    """Unscaling with the check for inf and NaN, alone.

    torch's kernel does both while a number is in a register: it reads and writes the gradients once. With torch's public
    operators the check is a pass of its own, so the gradients are read twice, and where they do not fit into the cache the
    ratio of 3 passes over memory to 2 is the limit: 0.67.
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
