"""The study behind lecture 5.1: what learning without labels is worth here, and what each part of it does.

    python lectures/5_frontiers/5_1_moco_study.py            # everything, some ten minutes of one idle core
    python lectures/5_frontiers/5_1_moco_study.py v2         # one part; the others keep their result and date

Writes 5_1_moco_study.json beside this file. Each finished run is noted in 5_1_moco_study.PART.part, which is deleted
once the part is whole: a study that was cut off goes on where it stopped. A small convolutional network, the pictures
of Fashion-MNIST without their labels, a short training; only probes and the supervised run look at labels. Runs of one
seed begin with the same backbone and see the same views in the same order, so that they can be paired.

    reference   raw pixels, the backbone as initialised, and the same backbone trained with all labels
    v2          MoCo v2, and with one thing changed: no queue, momentum 0 and 1
    v3          MoCo v3 with and without its predictor, on the same backbone
    leak        batch norm in groups of a few rows: keys shuffled among the groups, or not
    collapse    no negatives: SimSiam and BYOL, and each without what holds it up
"""

import copy
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quintet import moco, study
from quintet.data import fashion_mnist
from quintet.study import Row

SEEDS = range(5)
PICTURES, BANK, LABELLED, TEST = 10_000, 5_000, 1_000, 2_000  # bank and labelled pictures begin the pictures
WIDTH, HIDDEN, DIM, PREDICTOR = 16, 128, 64, 128
STEPS, BATCH, LR, MOMENTUM, DECAY = 400, 64, 0.02, 0.9, 1e-4
QUEUE, M, T = 1024, 0.99, 0.2
NEIGHBOURS, PENALTY = 20, 0.01
AGES = (1, 2, 4, 8, 16)  # in steps; the queue holds the keys of 16
GROUPS, LEAK_STEPS = 16, 200
LOOKS, COLLAPSE_LR = (0, 5, 10, 25, 50, 100), 0.1  # steps after which a run without negatives is looked at

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Callable[[], None]]]  # views, labels → loss, what follows it


class Data(NamedTuple):
    images: Tensor  # (PICTURES, 1, 28, 28) uint8
    labels: Tensor
    bank: Tensor  # (BANK, 1, 28, 28) float32
    test: Tensor
    test_labels: Tensor


@functools.cache
def data() -> Data:
    images, labels = fashion_mnist.load("train", PICTURES)
    test, test_labels = fashion_mnist.load("test", TEST)
    normalise = fashion_mnist.normalise
    return Data(images[:, None], labels, normalise(images[:BANK]), normalise(test), test_labels)


def backbone(seed: int, groups: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return moco.split_batchnorm(moco.convnet(WIDTH), groups)


FEATURES = 16 * 4 * WIDTH  # of the backbone: a map of 4 × 4


def fit(
    model: nn.Module, step: Step, seed: int, steps: int, look: Callable[[int], None] = lambda t: None, lr: float = LR
) -> None:
    """SGD along half a cosine. The pictures of a step and their views depend on the seed and the step alone."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr, momentum=MOMENTUM, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    views = moco.TwoCrops()
    for t in range(steps):
        look(t)
        torch.manual_seed(1_000_000 * (seed + 1) + t)
        pick = torch.randint(PICTURES, (BATCH,))
        loss, after = step(*views(data().images[pick]), data().labels[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        after()
    look(steps)


# --------------------------------------------------------------------------------------------------------------- gauges


def knn(bank: Tensor, test: Tensor) -> float:
    d = data()
    return round(moco.knn_probe(bank, d.labels[: len(bank)], test, d.test_labels[: len(test)], NEIGHBOURS), 5)


def probes(encoder: nn.Module) -> Row:
    bank, test = (moco.features(encoder, x) for x in (data().bank, data().test))
    linear = moco.linear_probe(bank[:LABELLED], data().labels[:LABELLED], test, data().test_labels, (PENALTY,))
    return {"knn": knn(bank, test), "linear": round(linear, 5)}


def shape(z: Tensor) -> Row:
    """spread: 1 where the directions cover the sphere. rank: at most DIM."""
    return {"spread": round(moco.spread(z) * DIM**0.5, 4), "rank": round(moco.effective_rank(z), 2)}


def embedded(model: moco.MoCoV2 | moco.MoCoV3 | moco.Siamese, n: int = TEST) -> Tensor:
    return moco.features(model.query, data().test[:n])


class Watch:
    """Spread, rank and the neighbours of embeddings and of features, at LOOKS."""

    def __init__(self, model: moco.MoCoV3 | moco.Siamese):
        self.model, self.rows = model, []

    def __call__(self, t: int) -> None:
        if t not in LOOKS:
            return
        row = {"step": t, **shape(embedded(self.model, 1000))}
        for name, encoder in (("knn", self.model.backbone), ("knn_embedding", self.model.query)):
            row[name] = knn(moco.features(encoder, data().bank[:2000]), moco.features(encoder, data().test[:1000]))
        self.rows.append(row)


# ----------------------------------------------------------------------------------------------------------------- runs


def pixels(seed: int) -> Row:
    return probes(nn.Identity())


def initial(seed: int) -> Row:
    return probes(backbone(seed))


def supervised(seed: int) -> Row:
    """The same backbone, steps, pictures and views, with all labels of the pictures."""
    net = nn.Sequential(backbone(seed), nn.Linear(FEATURES, 10))

    def step(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, Callable[[], None]]:
        return F.cross_entropy(net(x1), y), lambda: None

    fit(net, step, seed, STEPS)
    own = (moco.features(net, data().test).argmax(1) == data().test_labels).double().mean().item()
    return probes(net[0]) | {"accuracy": round(own, 5)}


def v2(seed: int, K: int = QUEUE, m: float = M, groups: int = 1, shuffle: bool = True, steps: int = STEPS) -> Row:
    """told: of the positives in the last 50 steps, the share whose logit was the largest. moved: how far the key of a
    picture, halfway through the training, is from where it was so many steps before, and between: from the key of
    another picture; means. Only their ratio tells whether an old key is of use: in a collapse nothing is far."""
    model = moco.MoCoV2(backbone(seed, groups), moco.mlp(FEATURES, HIDDEN, DIM), DIM, K, m, T, shuffle)
    losses, told, kept = [], [], {}

    def step(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, Callable[[], None]]:
        q, k = model(x1, x2)
        logits, labels = model.logits(q, k)
        loss = F.cross_entropy(logits, labels)
        losses.append(loss.item())
        told.append((logits.argmax(1) == labels).double().mean().item())
        return loss, lambda: model.update(k)

    def look(t: int) -> None:
        if steps // 2 - t in (0, *AGES):
            with torch.no_grad():  # by the statistics of these pictures; the copy's running ones are nobody's
                kept[steps // 2 - t] = F.normalize(copy.deepcopy(model.key).train()(data().test[:512]), dim=1)

    fit(model, step, seed, steps, look)
    moved = {str(age): float(f"{(kept[0] - kept[age]).norm(dim=1).mean():.4g}") for age in AGES}
    between = float(f"{torch.pdist(kept[0]).mean():.4g}")
    last = {"loss": round(sum(losses[-50:]) / 50, 4), "told": round(sum(told[-50:]) / 50, 4)}
    return probes(model.backbone) | shape(embedded(model)) | last | {"moved": moved, "between": between}


def v3(seed: int, predictor: bool = True) -> Row:
    predict = moco.mlp(DIM, PREDICTOR, DIM, norm="all") if predictor else nn.Identity()
    model = moco.MoCoV3(backbone(seed), moco.mlp(FEATURES, HIDDEN, DIM, layers=3, norm="all"), predict, T)
    watch, losses = Watch(model), []
    t = iter(range(STEPS))

    def step(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, Callable[[], None]]:
        loss = model(x1, x2)
        losses.append(loss.item())
        return loss, lambda: model.update(moco.cosine_momentum(next(t), STEPS, M))

    fit(model, step, seed, STEPS, watch)
    last = {"loss": round(sum(losses[-50:]) / 50, 4)}
    return probes(model.backbone) | shape(embedded(model)) | last | {"looks": watch.rows}


def siamese(seed: int, predictor: bool = True, stop_gradient: bool = True, m: float | None = None) -> Row:
    predict = moco.mlp(DIM, DIM // 4, DIM, norm="hidden") if predictor else None
    head = moco.mlp(FEATURES, HIDDEN, DIM, norm="hidden")
    model = moco.Siamese(backbone(seed), head, predict, stop_gradient, m)
    watch, losses = Watch(model), []

    def step(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, Callable[[], None]]:
        loss = model(x1, x2)
        losses.append(loss.item())
        return loss, model.update

    fit(model, step, seed, LOOKS[-1], watch, COLLAPSE_LR)
    return {"loss": round(sum(losses[-50:]) / 50, 4), "looks": watch.rows}


RUNS: dict[str, dict[str, Callable[[int], Row]]] = {
    "reference": {"raw pixels": pixels, "initialised": initial, "supervised": supervised},
    "v2": {
        "MoCo v2": v2,
        "no queue": functools.partial(v2, K=0),
        "m = 0": functools.partial(v2, m=0.0),
        "m = 1": functools.partial(v2, m=1.0),
    },
    "v3": {"MoCo v3": v3, "no predictor": functools.partial(v3, predictor=False)},
    "leak": {
        "shuffled": functools.partial(v2, groups=GROUPS, steps=LEAK_STEPS),
        "not shuffled": functools.partial(v2, groups=GROUPS, steps=LEAK_STEPS, shuffle=False),
    },
    "collapse": {
        "SimSiam": siamese,
        "SimSiam, no stop-gradient": functools.partial(siamese, stop_gradient=False),
        "SimSiam, no predictor": functools.partial(siamese, predictor=False),
        "BYOL": functools.partial(siamese, m=M),
        "BYOL, no predictor": functools.partial(siamese, m=M, predictor=False),
    },
}


# ----------------------------------------------------------------------------------------------------------------- main


SEEN: Row = {
    "pictures": PICTURES, "bank": BANK, "labelled": LABELLED, "test_images": TEST, "pixels": 28, "width": WIDTH,
    "neighbours": NEIGHBOURS, "penalty": PENALTY, "seeds": list(SEEDS), "batch": BATCH, "lr": LR,
    "momentum": MOMENTUM, "weight_decay": DECAY, "steps": STEPS,
}  # fmt: skip
CONTRAST: Row = SEEN | {"hidden": HIDDEN, "dim": DIM, "queue": QUEUE, "m": M, "temperature": T}
SETTINGS: Mapping[str, Row] = {
    "reference": SEEN,
    "v2": CONTRAST,
    "v3": CONTRAST | {"predictor": PREDICTOR},
    "leak": CONTRAST | {"groups": GROUPS, "steps": LEAK_STEPS},
    "collapse": CONTRAST | {"steps": LOOKS[-1], "lr": COLLAPSE_LR, "predictor": DIM // 4},
}

PARTS: Mapping[str, Callable[[], list[Row]]] = {
    name: functools.partial(study.over_seeds, __file__, name, RUNS[name], SEEDS, SETTINGS[name]) for name in RUNS
}

if __name__ == "__main__":
    study.run(__file__, PARTS, SETTINGS, ["torch", "torchvision", "scikit-learn"])
