"""The study behind lecture 2.1: what half precision costs and saves on this machine, and what loss scaling rescues.

    python lectures/2_training/2_1_amp_study.py                 # everything, some ten minutes on two idle cores
    python lectures/2_training/2_1_amp_study.py speed           # one part; the others keep their stored result and date

Writes 2_1_amp_study.json beside this file. Parts, each with its own machine, date, sizes and load:

    speed      training step in fp32 and under autocast, timed in alternating rounds, compared within each round
    memory     bytes that autograd saves, counted; and the peak of tensor bytes in a real step
    training   a small ResNet on Fashion-MNIST with an engineered underflow, five ways of training it, paired by seed
    scales     share of the weight gradients that fp16 zeroes, against the loss scale, before training
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from rich.progress import track
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from quintet import amp, measure, study
from quintet.data import fashion_mnist

DTYPES = {name: f.dtype for name, f in amp.FORMATS.items()}

SEEDS = range(8)
STEPS, BATCH, LR, MOMENTUM = 150, 32, 0.05, 0.9
TRAIN_IMAGES, TEST_IMAGES = 4096, 2000
WEIGHT = 2.0**-20  # of the loss: the engineered underflow. A power of two, so that fp32 does not notice
# name: (format, initial loss scale, weight of the loss)
CONFIGS = {
    "fp32": ("fp32", None, WEIGHT),
    "fp16 unscaled": ("fp16", None, WEIGHT),
    "fp16 scaled": ("fp16", 2.0**16, WEIGHT),
    "bf16": ("bf16", None, WEIGHT),
    "fp16 unscaled, weight 1": ("fp16", None, 1.0),  # the control: nothing engineered, nothing lost?
}

# model: (pixels, batch, rounds, formats to compare with fp32). fp16 on the smallest net alone: without native kernels
# it is too slow for more.
SPEED = {
    "small ResNet": (28, 32, 20, ("bf16", "fp16")),
    "resnet18": (64, 16, 20, ("bf16",)),
    "resnet50": (64, 16, 20, ("bf16",)),
    "resnet152": (64, 16, 20, ("bf16",)),
    "resnet152, 224 px": (224, 8, 10, ("bf16",)),
}
COUNTED = [(model, 224, batch) for model in ("resnet50", "resnet152") for batch in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
ALLOCATED = [("resnet152", 64, 16), ("resnet152", 224, 4), ("resnet152", 224, 16)]


def small_net(seed: int) -> nn.Module:
    """A ResNet with four basic blocks for images (N, 1, 28, 28)."""
    torch.manual_seed(seed)
    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes=10, in_chans=1, channels=(8, 16, 32, 32), zero_init_last=False)


def build(model: str) -> tuple[nn.Module, int]:
    """The model and its input channels; random weights, because neither time nor bytes depend on them."""
    if model == "small ResNet":
        return small_net(0), 1
    return torchvision.models.get_model(model.split(",")[0]), 3


def forward(model: nn.Module, x: Tensor, y: Tensor, dtype: str) -> Tensor:
    with torch.autocast("cpu", dtype=DTYPES[dtype], enabled=dtype != "fp32"):
        return nn.functional.cross_entropy(model(x), y)


def training_step(model: nn.Module, x: Tensor, y: Tensor, dtype: str) -> Callable[[], None]:
    """SGD with momentum on fp32 weights; its gradients are freed at the end, so that each call starts alike."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=MOMENTUM)

    def step() -> None:
        forward(model, x, y, dtype).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


# ---------------------------------------------------------------------------------------------------------------- speed


def speed() -> list[dict[str, Any]]:
    rows = []
    for name, (pixels, batch, rounds, others) in track(SPEED.items(), "speed   "):
        model, channels = build(name)
        x, y = torch.randn(batch, channels, pixels, pixels), torch.zeros(batch, dtype=torch.long)
        steps = {dtype: training_step(model, x, y, dtype) for dtype in ("fp32", *others)}
        timings = measure.compare(steps, warmup=2, repeats=rounds)
        for dtype in others:
            ratio = measure.ratio(timings[dtype], timings["fp32"])  # time of `dtype` ÷ time of fp32, round by round
            row = {"model": name, "pixels": pixels, "batch": batch, "device": "cpu", "dtype": dtype, "rounds": rounds}
            row["seconds"] = {d: [round(s, 6) for s in timings[d].samples] for d in ("fp32", dtype)}
            rows.append(row | {"time_ratio": {key: round(value, 4) for key, value in ratio._asdict().items()}})
    return rows


# --------------------------------------------------------------------------------------------------------------- memory


def memory() -> dict[str, Any]:
    counted = []
    for name, pixels, batch in track(COUNTED, "count   "):
        row: dict[str, Any] = {"model": name, "pixels": pixels, "batch": batch}
        for dtype in ("fp32", "bf16"):
            with (
                FakeTensorMode()
            ):  # shapes and dtypes without the memory: what would be saved, counted and not allocated
                model, channels = build(name)
                x, y = torch.empty(batch, channels, pixels, pixels), torch.zeros(batch, dtype=torch.long)
                row[dtype] = saved(model, x, y, dtype)
                row["parameters"] = sum(p.numel() for p in model.parameters())
        counted.append(row)

    allocated = []
    for name, pixels, batch in track(ALLOCATED, "allocate"):
        row = {"model": name, "pixels": pixels, "batch": batch}
        for dtype in ("fp32", "bf16"):
            model, channels = build(name)
            row["parameters"] = sum(p.numel() for p in model.parameters())
            x, y = torch.randn(batch, channels, pixels, pixels), torch.zeros(batch, dtype=torch.long)
            step = training_step(model, x, y, dtype)
            step()  # makes the momentum, which stays
            row[dtype] = saved(model, x, y, dtype) | {"peak_bytes": measure.peak_bytes(step)}
            del model, step
            gc.collect()
        allocated.append(row)
    return {"counted": counted, "allocated": allocated}


def saved(model: nn.Module, x: Tensor, y: Tensor, dtype: str) -> dict[str, Any]:
    kept = measure.saved_tensors(lambda: forward(model, x, y, dtype))
    return {"saved_bytes": kept.total, "by_dtype": {str(d).removeprefix("torch."): n for d, n in kept.by_dtype.items()}}


# ------------------------------------------------------------------------------------------------------------- training


def weighted_loss(weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda logits, y: weight * nn.functional.cross_entropy(logits, y)


def gradients(model: nn.Module) -> Tensor:
    """The gradient entries of all convolution and linear weights as one vector."""
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.ndim > 1 and p.grad is not None])


def nonzero_in_fp32(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Which entries an fp32 backward pass fills. The rest is zero by structure: kernel rims that only see padding."""
    nn.functional.cross_entropy(model(x), y).backward()
    mask = gradients(model) != 0
    model.zero_grad(set_to_none=True)
    return mask


def zeroed(model: nn.Module, mask: Tensor) -> float:
    return (gradients(model)[mask] == 0).double().mean().item()


def training() -> list[dict[str, Any]]:
    images, labels = fashion_mnist.load("train", TRAIN_IMAGES)
    test_images, test_labels = fashion_mnist.load("test", TEST_IMAGES)
    x, x_test = fashion_mnist.normalise(images), fashion_mnist.normalise(test_images)
    runs = []
    for seed, (name, (dtype, scale, weight)) in track([(s, c) for s in SEEDS for c in CONFIGS.items()], "train   "):
        mask = nonzero_in_fp32(small_net(seed), x[:BATCH], labels[:BATCH])
        model, order = small_net(seed), torch.Generator().manual_seed(seed)  # paired: same start, same batches
        optimizer = torch.optim.SGD(model.parameters(), lr=LR / weight, momentum=MOMENTUM)
        scaler = amp.GradScaler(scale or 1.0, enabled=scale is not None)
        losses, zeros, skips = [], [], 0
        for _ in range(STEPS):
            pick = torch.randint(len(x), (BATCH,), generator=order)
            batch = [(x[pick], labels[pick])]
            step = amp.train_step(model, weighted_loss(weight), batch, optimizer, scaler, dtype=DTYPES[dtype])
            losses.append(round(step.loss / weight, 4))
            zeros.append(round(zeroed(model, mask), 5))
            skips += step.skipped
        model.eval()
        with torch.no_grad():
            accuracy = (model(x_test).argmax(1) == test_labels).float().mean().item()
        run = {
            "seed": seed,
            "config": name,
            "dtype": dtype,
            "weight": weight,
            "skips": skips,
            "accuracy": round(accuracy, 4),
        }
        run |= {"initial_scale": scale, "final_scale": scaler.get_scale()}
        runs.append(run | {"loss": losses, "zeroed": zeros})
    return runs


# --------------------------------------------------------------------------------------------------------------- scales


def scales() -> list[dict[str, Any]]:
    """Weight gradients that a real fp16 backward pass zeroes, against the loss scale, at the start of training."""
    images, labels = fashion_mnist.load("train", BATCH)
    x = fashion_mnist.normalise(images)
    rows = []
    for seed in track(SEEDS, "scales  "):
        mask = nonzero_in_fp32(small_net(seed), x, labels)
        for exponent in range(0, 41, 2):
            model = small_net(seed)
            with torch.autocast("cpu", dtype=torch.float16):
                loss = weighted_loss(WEIGHT)(model(x), labels)
            (2.0**exponent * loss).backward()
            finite = amp.all_finite([p.grad for p in model.parameters() if p.grad is not None])
            rows.append(
                {"seed": seed, "log2_scale": exponent, "zeroed": round(zeroed(model, mask), 5), "finite": finite}
            )
    return rows


# ----------------------------------------------------------------------------------------------------------------- main

PARTS: dict[str, Callable[[], Any]] = {"memory": memory, "scales": scales, "training": training, "speed": speed}
SGD = {"optimizer": f"SGD, momentum {MOMENTUM}"}
TRAINED = {
    "steps": STEPS, "batch": BATCH, "lr": LR, "momentum": MOMENTUM, "loss_weight": WEIGHT, "seeds": list(SEEDS),
    "train_images": TRAIN_IMAGES, "test_images": TEST_IMAGES, "pixels": 28,
}  # fmt: skip
SETTINGS = {"memory": SGD, "scales": TRAINED, "training": TRAINED, "speed": SGD}

if __name__ == "__main__":
    study.run(__file__, PARTS, SETTINGS, ["torch", "torchvision", "timm"])
