"""Automatic mixed precision: half-precision arithmetic, single-precision memory, a scale that keeps gradients alive.

[M18]  Micikevicius et al., Mixed Precision Training, ICLR 2018 (arXiv:1710.03740).
       §3.1 FP32 master copy of weights · §3.2 loss scaling · §3.3 arithmetic precision
[T]    PyTorch 2.14, `torch.amp.GradScaler` and the autocast op reference: the semantics that `GradScaler` here repeats.

    symbol here        symbol there
    S  scale           [M18 §3.2] "scaling factor"; [T] `_scale`, a float32 number
    t  streak          [T] `_growth_tracker`: unskipped steps since the scale last changed
    w, w16             [M18 §3.1, fig. 1] master weights in fp32 and their half-precision copy

The order of one step, which most mistakes break:

    forward and loss under autocast · S·loss, backward outside · (more micro-batches) · unscale once ·
    look for inf or NaN · clip · step or skip · update the scale · scheduler only after a step
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# ---------------------------------------------------------------------------------------------------------------------
# Number formats


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: `exponent` bits, `mantissa` bits (the hidden one not counted), a sign bit."""

    name: str
    dtype: torch.dtype
    exponent: int
    mantissa: int

    @property
    def eps(self) -> float:
        """Distance from 1 to the next number: 2^-mantissa."""
        return 2.0**-self.mantissa

    @property
    def largest(self) -> float:
        """(2 - eps) · 2^bias, with bias = 2^(exponent-1) - 1."""
        return (2 - self.eps) * 2.0 ** (2 ** (self.exponent - 1) - 1)

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (2 - 2 ** (self.exponent - 1))

    @property
    def smallest(self) -> float:
        """The smallest positive (subnormal) number; half of it and everything below rounds to zero."""
        return self.smallest_normal * self.eps


FORMATS = {
    f.name: f
    for f in (
        Format("fp32", torch.float32, exponent=8, mantissa=23),
        Format("fp16", torch.float16, exponent=5, mantissa=10),
        Format("bf16", torch.bfloat16, exponent=8, mantissa=7),
    )
}


def zeroed_fraction(values: Tensor, scale: float, dtype: torch.dtype) -> float:
    """Share of the nonzero `values` (any shape, fp32) that become exactly zero in `dtype` after scaling: [M18 fig. 3].

    Returns 0.0 when there is no nonzero value.
    """
    nonzero = values[values != 0]
    return (nonzero * scale).to(dtype).eq(0).double().mean().item() if len(nonzero) else 0.0


def overflowed_fraction(values: Tensor, scale: float, dtype: torch.dtype) -> float:
    """Share of the finite `values` (any shape, fp32) that become infinite in `dtype` after scaling.

    Returns 0.0 when there is no finite value.
    """
    finite = values[values.isfinite()]
    return (finite * scale).to(dtype).isinf().double().mean().item() if len(finite) else 0.0


# ---------------------------------------------------------------------------------------------------------------------
# Autocast: which operation runs in which precision

# How each operation is run under autocast, on fp32 inputs and on inputs of the lower precision.
# "low": in the autocast dtype · "fp32": in single precision · "as is": in the precision that comes in
# cuda: the op reference in [T], not run here without a GPU; cpu: measured. Tests compare both with `observed_policy`.
POLICY: dict[str, dict[str, str]] = {
    "linear": {"cuda": "low", "cpu": "low"},
    "conv2d": {"cuda": "low", "cpu": "low"},
    "matmul": {"cuda": "low", "cpu": "low"},
    "relu": {"cuda": "as is", "cpu": "as is"},
    "batch_norm": {"cuda": "as is", "cpu": "as is"},
    "softmax": {"cuda": "fp32", "cpu": "as is"},
    "layer_norm": {"cuda": "fp32", "cpu": "as is"},
    "exp": {"cuda": "fp32", "cpu": "as is"},
    "sum": {"cuda": "fp32", "cpu": "as is"},
    "cross_entropy": {"cuda": "fp32", "cpu": "fp32"},
    "mse_loss": {"cuda": "fp32", "cpu": "fp32"},
}


def observed_policy(device: str = "cpu", dtype: torch.dtype = torch.float16) -> dict[str, str]:
    """Run every operation of `POLICY` under autocast on `device`, on fp32 and on `dtype` inputs; say what came out.

    Raises RuntimeError (torch's) where the device is not there.
    """
    F = nn.functional
    target = torch.zeros(4, dtype=torch.long, device=device)
    mean, var = torch.zeros(8, device=device), torch.ones(8, device=device)
    image, kernel = torch.ones(1, 1, 8, 8, device=device), torch.ones(1, 1, 3, 3, device=device)
    runs: dict[str, Callable[[Tensor], Tensor]] = {
        "linear": lambda x: F.linear(x, x),
        "conv2d": lambda x: F.conv2d(image.to(x.dtype), kernel.to(x.dtype)),
        "matmul": lambda x: x @ x.t(),
        "relu": F.relu,
        "batch_norm": lambda x: F.batch_norm(x, mean, var),
        "softmax": lambda x: F.softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, (8,)),
        "exp": torch.exp,
        "sum": lambda x: x.sum(),
        "cross_entropy": lambda x: F.cross_entropy(x, target),
        "mse_loss": lambda x: F.mse_loss(x, x),
    }
    seen = {}
    for name, run in runs.items():
        with torch.autocast(device, dtype=dtype):
            from_fp32, from_low = (run(torch.ones(4, 8, device=device, dtype=d)).dtype for d in (torch.float32, dtype))
        seen[name] = {(dtype, dtype): "low", (torch.float32, torch.float32): "fp32"}.get((from_fp32, from_low), "as is")
    return seen


# ---------------------------------------------------------------------------------------------------------------------
# Dynamic loss scaling


@torch.no_grad()
def unscale_(grads: Sequence[Tensor], scale: Tensor) -> bool:
    """Divide fp32 gradients by `scale` in place; True if any entry was inf or NaN before. [T] `_unscale_grads_`.

    grads: dense tensors of any shapes, changed in place. scale: float32 scalar.
    """
    inverse = scale.double().reciprocal().float()  # as [T]: rounded once
    found_inf = False
    for i in range(0, len(grads), 4):  # a few at a time: what the check has read is then still in the cache
        few = grads[i : i + 4]
        found_inf |= not all_finite(few)
        torch._foreach_mul_(few, inverse.to(few[0].device))
    return found_inf


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """True if no entry is inf or NaN.

    A sum is read in one pass and shows every inf and NaN among its terms; only a sum that is not finite can also be an
    overflow of finite terms, so only then is each entry looked at.
    """
    tensors = list(tensors)
    if not tensors:
        return True
    sums = torch.stack([t.sum(dtype=torch.float32) for t in tensors]).tolist()  # one wait for the device
    return all(math.isfinite(s) or bool(t.isfinite().all()) for t, s in zip(tensors, sums, strict=True))


def next_scale(
    scale: Tensor, streak: int, found_inf: bool, growth_factor: float, backoff_factor: float, growth_interval: int
) -> tuple[Tensor, int]:
    """The scale and the streak after a step. [M18 §3.2], [T] `_amp_update_scale_`.

    Back off and start to count again after an overflow; grow after `growth_interval` clean steps in a row, unless the
    grown scale would not be finite. scale: float32 scalar.
    Differs from [T]: a streak that is longer already (the interval was lowered) grows too; [T] waits for the next skip.
    """
    if found_inf:
        return (scale.double() * backoff_factor).float(), 0  # as [T]: rounded once
    if streak + 1 < growth_interval:
        return scale, streak + 1
    grown = (scale.double() * growth_factor).float()
    return (grown if math.isfinite(grown) else scale), 0


@dataclass
class _PerOptimizer:
    unscaled: bool = False
    stepped: bool = False
    found_inf: bool | None = None  # None: not looked at since the last update


class GradScaler:
    """Dynamic loss scaling with the semantics of `torch.amp.GradScaler` [T], for one device.

        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)      # only where gradients are looked at or changed before the step: clipping
        scaler.step(optimizer)          # skipped after an inf or a NaN
        scaler.update()

    init_scale, growth_factor > 1, backoff_factor < 1, growth_interval ≥ 1 as in [T]; with `enabled=False` every method
    passes through.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        if enabled and not (init_scale > 0 and growth_factor > 1 > backoff_factor > 0 and growth_interval >= 1):
            raise AssertionError(  # as [T], which lets backoff, interval and scale of zero or less pass
                "expected init_scale > 0, growth_factor > 1, 0 < backoff_factor < 1 and growth_interval ≥ 1, "
                f"received {init_scale}, {growth_factor}, {backoff_factor} and {growth_interval}"
            )
        self.enabled = enabled
        self.growth_factor, self.backoff_factor, self.growth_interval = growth_factor, backoff_factor, growth_interval
        self._scale = torch.tensor(init_scale, dtype=torch.float32)
        self._streak = 0
        self._optimizers: dict[int, _PerOptimizer] = {}

    def scale(self, outputs: Any) -> Any:
        """S times a tensor, or an iterable of such (a list or tuple keeps its type)."""
        if not self.enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale.to(outputs.device)
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError(f"expected a tensor or an iterable of tensors to scale, received {type(outputs).__name__}")

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients of the optimizer's parameters by S, once between two updates, and note any inf or NaN.

        Raises RuntimeError when called twice, or after `step`; ValueError for fp16 gradients: those belong to fp16
        weights, which need master weights and not this class.
        """
        if not self.enabled:
            return
        state = self._state(optimizer)
        if state.stepped:
            raise RuntimeError("unscale_() was called after step(): unscale before the step, update after it.")
        if state.unscaled:
            raise RuntimeError("unscale_() was already called since the last update(): call it once a step.")
        grads = list(_gradients(optimizer))
        if any(g.dtype == torch.float16 for g in grads):
            raise ValueError("the gradients are fp16: keep the weights in fp32 under autocast, or use MasterWeights.")
        if grads:
            state.found_inf = unscale_(grads, self._scale)
        state.unscaled = True

    def step(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale if that has not been done, then `optimizer.step(...)` unless an inf or a NaN was found.

        Returns what the optimizer returns, None when skipped. Raises RuntimeError for a second step before `update`, or
        for a closure; AssertionError when no parameter has a gradient.
        """
        if not self.enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("step() takes no closure: the loss inside it would have to be scaled and checked too.")
        state = self._state(optimizer)
        if state.stepped:
            raise RuntimeError("step() was already called since the last update(): update after each step.")
        if not state.unscaled:
            self.unscale_(optimizer)
        assert state.found_inf is not None, "no gradients to check: was backward() called on the scaled loss?"
        state.stepped = True
        return None if state.found_inf else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Set the scale for the next step: grown, kept or backed off after what the optimizers found, or `new_scale`.

        Raises AssertionError when no optimizer's gradients were checked since the last update.
        """
        if not self.enabled:
            return
        found = [s.found_inf for s in self._optimizers.values() if s.found_inf is not None]
        if new_scale is not None:
            self._scale = torch.as_tensor(new_scale, dtype=torch.float32).detach().clone().reshape(())
        else:
            assert found, "no inf checks were recorded: call step() or unscale_() before update()."
            self._scale, self._streak = next_scale(
                self._scale, self._streak, any(found), self.growth_factor, self.backoff_factor, self.growth_interval
            )
        self._optimizers.clear()

    def get_scale(self) -> float:
        """S, or 1.0 when disabled."""
        return self._scale.item() if self.enabled else 1.0

    def is_enabled(self) -> bool:
        return self.enabled

    def state_dict(self) -> dict[str, Any]:
        """The same keys as [T], so that checkpoints can be exchanged; empty when disabled."""
        if not self.enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self.growth_factor,
            "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval,
            "_growth_tracker": self._streak,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError for an empty state: it came from a disabled scaler."""
        if not self.enabled:
            return
        if not state:
            raise RuntimeError("the state is empty: a disabled GradScaler saved it, so there is nothing to load.")
        self._scale = torch.tensor(state["scale"], dtype=torch.float32)
        self.growth_factor, self.backoff_factor = state["growth_factor"], state["backoff_factor"]
        self.growth_interval, self._streak = state["growth_interval"], state["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        assert not self._optimizers, "copy or pickle a GradScaler between update() and the next unscale_() or step()."
        return self.__dict__

    def _state(self, optimizer: torch.optim.Optimizer) -> _PerOptimizer:
        return self._optimizers.setdefault(id(optimizer), _PerOptimizer())


def _gradients(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Dense views of the gradients: a sparse one gives its coalesced values, so that an inf made by their sum is seen.

    Differs from [T], which coalesces fp16 only and so steps to an infinite weight.
    """
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                if p.grad.is_sparse:
                    p.grad = p.grad.coalesce()
                    yield p.grad._values()
                else:
                    yield p.grad


# ---------------------------------------------------------------------------------------------------------------------
# One training step


@dataclass(frozen=True)
class Step:
    """What one step did. loss: mean over the micro-batches, unscaled. scale: the one that the step used."""

    loss: float
    scale: float
    skipped: bool


def train_step(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    scaler: GradScaler,
    *,
    dtype: torch.dtype = torch.float16,
    max_norm: float | None = None,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> Step:
    """One optimizer step over equal micro-batches `(inputs, targets)`, in the order that the module's docstring gives.

    dtype: torch.float32 runs without autocast. max_norm: clips the norm of the *unscaled* gradient.
    """
    device = next(model.parameters()).device.type
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for x, y in batches:
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            loss = loss_fn(model(x), y) / len(batches)
        scaler.scale(loss).backward()  # outside autocast: each op's backward runs in the precision of its forward
        total += loss.item()
    used = scaler.get_scale()
    scaler.unscale_(optimizer)  # once, after the last micro-batch: earlier ones are still being summed
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    skipped = scaler.get_scale() < used  # a back-off is how a skipped step shows from outside, in [T] too
    if scheduler is not None and not skipped:
        scheduler.step()
    return Step(total, used, skipped)


# ---------------------------------------------------------------------------------------------------------------------
# Master weights


class MasterWeights:
    """An optimizer's fp32 truth for a model whose weights are half precision [M18 §3.1, fig. 1].

    An update smaller than half the spacing of the half-precision numbers around a weight is lost when it is added to
    that weight; added to an fp32 master it accumulates, and the half-precision copy moves once the sum is large enough.

        masters = MasterWeights(model.half().parameters())
        optimizer = torch.optim.SGD(masters.fp32, lr=0.1)
        ...backward...
        masters.step(optimizer, scale)
    """

    def __init__(self, params: Iterable[nn.Parameter]):
        self.half = list(params)
        self.fp32 = [nn.Parameter(p.detach().to(torch.float32, copy=True)) for p in self.half]

    def step(self, optimizer: torch.optim.Optimizer, scale: float = 1.0) -> bool:
        """Gradients to fp32, unscaled there; if all are finite, step the masters and round them into the model.

        Returns True if it stepped.
        """
        for w, w16 in zip(self.fp32, self.half, strict=True):
            w.grad = None if w16.grad is None else w16.grad.float()
            w16.grad = None
        grads = [w.grad for w in self.fp32 if w.grad is not None]
        if unscale_(grads, torch.tensor(scale, dtype=torch.float32)):
            return False
        optimizer.step()
        with torch.no_grad():
            for w, w16 in zip(self.fp32, self.half, strict=True):
                w16.copy_(w)
        return True
