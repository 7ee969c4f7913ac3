"""What lab 5.2 asks: a text encoder that reads forwards and answers at the end, logits with a learned temperature, a
loss in both directions, a whole step, a loss over shards, a classifier made of words, and recall.

Inputs come in many sizes and lengths; the end of a text is any id, and captions are any numbers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from quintet import clip
from quintet.checks import Either, Misconception, Mismatch, asking, case, check, draw, near
from quintet.checks.near import ANY, plain
from quintet.student import Student

LECTURE = "lecture 5.2 clip, section "
MISCONCEPTIONS = {
    "mask-leaks-future": Misconception(
        "a token sees tokens that come after it",
        "Asked for is a causal mask: scores of later tokens become -∞ before the softmax. A score of 0 is not hidden, "
        "it counts as e^0, and a mask that is off by one shows the next token.",
        LECTURE + "3 Text as tokens",
    ),
    "mask-upside-down": Misconception(
        "the mask hides the tokens before, and shows those after",
        "Row i is the token that looks, column j the one that is looked at: j ≤ i stays.",
        LECTURE + "3 Text as tokens",
    ),
    "mask-after-softmax": Misconception(
        "weights were set to 0 after the softmax",
        "Then those that are left no longer sum to 1: early tokens, which see few, are hardly heard. Mask the scores, "
        "before the softmax.",
        LECTURE + "3 Text as tokens",
    ),
    "scores-not-divided": Misconception(
        "the scores were not divided by the root of the vectors' size",
        "A product of D numbers grows with √D, and the softmax of large scores picks one token. Attention divides by "
        "√D.",
        LECTURE + "3 Text as tokens",
    ),
    "last-position": Misconception(
        "the feature was taken at the last position",
        "Short captions are padded, and there stands the state of a pad. Take the position of the token that ends the "
        "text, which differs from row to row.",
        LECTURE + "3 Text as tokens",
    ),
    "largest-id": Misconception(
        "the feature was taken at the largest id",
        "argmax over ids finds the end only where the end has the largest id of all, as in OpenAI's vocabulary. "
        "Elsewhere it finds some word, and nothing fails. Compare with the id of the end.",
        LECTURE + "3 Text as tokens",
    ),
    "last-end": Misconception(
        "the feature was taken at the last end, not at the first",
        "Some tokenisers pad with the very token that ends the text: behind the first one there is only padding.",
        LECTURE + "3 Text as tokens",
    ),
    "mean-pooled": Misconception(
        "the feature is a mean over positions",
        "With a causal mask only the end has seen the whole text; here its state alone is the text's feature.",
        LECTURE + "3 Text as tokens",
    ),
    "not-unit-length": Misconception(
        "features were compared without bringing both to unit length",
        "A product of long vectors is large whatever they show. One space for pictures and words compares directions: "
        "divide each row by its length.",
        LECTURE + "1 Two encoders, one space",
    ),
    "scale-not-exponentiated": Misconception(
        "the cosines were multiplied by the parameter itself, not by its exponential",
        "The parameter is the logarithm of the scale, so that the scale stays positive and a step changes it by a "
        "factor.",
        LECTURE + "5 Temperature",
    ),
    "temperature-upside-down": Misconception(
        "the cosines were divided by the scale, not multiplied by it",
        "The scale is 1 / temperature already: exp(2.66) = 14.3 stands for a temperature of 0.07.",
        LECTURE + "5 Temperature",
    ),
    "temperature-not-learned": Misconception(
        "no gradient reaches the temperature",
        "`.item()`, `float()` and `math.exp` leave the graph. The temperature is a parameter like all others: "
        "`t.exp()` keeps it in.",
        LECTURE + "5 Temperature",
    ),
    "one-direction": Misconception(
        "the loss was taken in one direction only",
        "Each picture picks its caption among all captions (rows), and each caption its picture among all pictures "
        "(columns). One of them alone lets the other be ambiguous.",
        LECTURE + "4 The symmetric loss",
    ),
    "directions-added": Misconception(
        "the two directions were added, not averaged",
        "The loss is their mean; twice as much is twice the learning rate for plain gradient descent.",
        LECTURE + "4 The symmetric loss",
    ),
    "softmax-twice": Misconception(
        "cross-entropy was given probabilities where it takes logits",
        "`cross_entropy` takes the softmax itself. After two of them the loss can never come near 0, as probabilities "
        "differ by 1 at most.",
        LECTURE + "4 The symmetric loss",
    ),
    "labels-all-zero": Misconception(
        "every row was drawn to column 0",
        "Row i belongs to column i: the labels are 0, 1, …, N - 1. It is MoCo whose positive stands in column 0.",
        LECTURE + "4 The symmetric loss",
    ),
    "duplicates-punished": Misconception(
        "pairs with the same caption were left among the negatives",
        "Two pictures called “cat” are no negatives of each other: the loss would ask one caption to be near the one "
        "and far from the other. Take them out of the denominator.",
        LECTURE + "4 The symmetric loss",
    ),
    "own-pair-left-out": Misconception(
        "the right pair itself was left out with its duplicates",
        "A caption is equal to itself, too: the diagonal has to stay, or the right answer has probability 0 and the "
        "loss is infinite.",
        LECTURE + "4 The symmetric loss",
    ),
    "duplicates-as-targets": Misconception(
        "pairs with the same caption were made right answers, too",
        "Differs from this specification, in which they are neither right nor wrong: they are left out of the "
        "denominator, and the own pair is the one target.",
        LECTURE + "4 The symmetric loss",
    ),
    "clamp-missing": Misconception(
        "the temperature's parameter is not kept at log 100 at most",
        "Without a limit the scale runs away, and the loss becomes unstable. The limit of the scale is 100, that of "
        "its logarithm log 100 = 4.6. A clamp in the forward pass alone leaves the parameter beyond it, where it has "
        "no gradient and cannot come back.",
        LECTURE + "5 Temperature",
    ),
    "clamped-before-step": Misconception(
        "the temperature was clamped before the optimizer's step, not after it",
        "Then the step can carry it beyond the limit, and whoever uses the model next sees that.",
        LECTURE + "5 Temperature",
    ),
    "gradients-not-cleared": Misconception(
        "gradients of earlier steps were added to this step's",
        "`backward` adds to what is there: clear it first.",
        LECTURE + "6 Training on emoji",
    ),
    "local-shard-only": Misconception(
        "the candidates are those of this process alone",
        "With W processes of n pairs each pair has W·n candidates: fewer negatives are another, easier task, and the "
        "mean of the processes' losses is not the loss of the whole batch.",
        LECTURE + "4 The symmetric loss",
    ),
    "shard-labels-from-zero": Misconception(
        "the labels count from 0 in every process",
        "Among all candidates, this process's own begin at row `first`: the label of its pair i is first + i.",
        LECTURE + "4 The symmetric loss",
    ),
    "prompts-not-normalised": Misconception(
        "the mean was taken over features that do not have unit length",
        "A prompt with a long feature then counts more than the others, for no reason. Bring each to unit length, then "
        "take the mean.",
        LECTURE + "7 Zero-shot",
    ),
    "mean-not-normalised": Misconception(
        "the mean over the prompts was not brought to unit length again",
        "Prompts that disagree leave a short mean, and its class loses logits. Normalise before the mean and after it.",
        LECTURE + "7 Zero-shot",
    ),
    "one-template-only": Misconception(
        "only one of the templates was used",
        "The ensemble is the mean over all prompts of a class.",
        LECTURE + "7 Zero-shot",
    ),
    "prompts-mixed-up": Misconception(
        "prompts of different classes were averaged with each other",
        "The rows were taken apart in another order than they were put together: write (classes, templates, dim) "
        "beside the reshape, and see which of the two changes faster.",
        LECTURE + "7 Zero-shot",
    ),
    "first-caption-only": Misconception(
        "only the first right caption of a picture was counted",
        "A picture has several right captions, and finding any of them is a hit.",
        LECTURE + "8 Retrieval, measured",
    ),
    "all-captions-asked-for": Misconception(
        "a query counts only if all of its right answers are found",
        "R@K asks whether at least one of them is among the first K.",
        LECTURE + "8 Retrieval, measured",
    ),
    "share-of-captions": Misconception(
        "what was counted is the share of the right answers that were found, or of right ones among K",
        "R@K is the share of *queries* with at least one right answer among the first K, so a query is a hit or not.",
        LECTURE + "8 Retrieval, measured",
    ),
    "ties-as-hits": Misconception(
        "ties were counted as hits",
        "A model that gives every pair the same number would find everything. Here a wrong candidate of equal "
        "similarity ranks before the right one.",
        LECTURE + "8 Retrieval, measured",
    ),
    "ties-by-position": Misconception(
        "the order of the columns decides ties",
        "`topk` and `argsort` put equals in some order of their own: the same model gets another score when the "
        "candidates are shuffled. Count instead how many wrong candidates are at least as similar.",
        LECTURE + "8 Retrieval, measured",
    ),
    "ties-averaged": Misconception(
        "ties were counted as the fraction that chance would give",
        "Differs from this specification, though it is sound (and what the lecture does): here a tie counts against "
        "the model, so that a query is a hit or not.",
        LECTURE + "8 Retrieval, measured",
    ),
    "same-direction-twice": Misconception(
        "both numbers are of the same direction",
        "From captions to pictures the captions are the queries: similarity and relevance have to be transposed, both.",
        LECTURE + "8 Retrieval, measured",
    ),
}


# What is asked in the place of a function of the student's, to see its gradients.
ASKED = """
import torch

def gradients(function, leaves, rest, weights):
    leaves = [x.requires_grad_() for x in leaves]
    out = function(*leaves, *rest)
    if not isinstance(out, torch.Tensor) or not out.requires_grad:
        return None
    (out * weights).sum().backward()
    return [x.grad for x in leaves]
"""


def _gradients(student: Student, function: Any, right: Callable, leaves: Mapping[str, Tensor], rest: Sequence,
               weights: Tensor) -> None:  # fmt: skip
    """Mismatch unless the gradients of (function(*leaves, *rest) · weights).sum() are those of `right`; a leaf called t
    is the temperature."""
    ours = [x.clone().requires_grad_() for x in leaves.values()]
    want = list(torch.autograd.grad((right(*ours, *rest) * weights).sum(), ours))
    got = student.define(ASKED).gradients(function, list(leaves.values()), list(rest), weights)
    if got is None:
        raise Mismatch(f"no gradient reaches {', '.join(leaves)}: the result has no graph")
    near(got, [ANY] * len(want), what="the gradients")
    missing = [name for name, g in zip(leaves, got, strict=True) if g is None]
    if missing == ["t"]:
        raise Mismatch("no gradient reaches t", "temperature-not-learned")
    for name, mine, right_one in zip(leaves, got, want, strict=True):
        near(mine, right_one, what=f"the gradient of {name}", n=100, eps=2.0**-20)


# ---- 1 a text encoder's two peculiarities


def _attention(q: Tensor, k: Tensor, v: Tensor, how: str = "right") -> Tensor:
    """As asked for, or with one mistake (`how`)."""
    L, D = q.shape[1:]
    scores = q @ k.mT / (1 if how == "undivided" else math.sqrt(D))  # (N, L, L)
    seen = torch.ones(L, L, dtype=torch.bool).tril(1 if how == "next one too" else 0)
    match how:
        case "all":
            return scores.softmax(-1) @ v
        case "upside down":
            seen = seen.T
        case "zeros":
            return torch.where(seen, scores, 0.0).softmax(-1) @ v
        case "afterwards":
            return torch.where(seen, scores.softmax(-1), 0.0) @ v
    return scores.masked_fill(~seen, -math.inf).softmax(-1) @ v


def _tokens(rng: np.random.Generator, rows: int, length: int, pad: str) -> tuple[Tensor, int]:
    """Texts that end early, and the id of their end, which is neither the largest nor the smallest there is. Behind
    the end stand zeros ("pad"), ends ("end") or anything, both included ("noise")."""
    end, start = (int(i) for i in rng.choice(range(20, 60), 2, replace=False))
    tokens = torch.from_numpy(rng.choice([i for i in range(1, 100) if i != end], (rows, length)))
    at = torch.from_numpy(rng.choice(range(1, length - 1), rows, replace=rows > length - 2))
    behind = torch.arange(length) > at[:, None]
    if pad == "noise":
        noise = torch.from_numpy(rng.choice([end, 0, *range(100)], (rows, length), p=[0.3, 0.3] + [0.004] * 100))
        tokens = torch.where(behind, noise, tokens)
    else:
        tokens = torch.where(behind, end if pad == "end" else 0, tokens)
    tokens[:, 0] = start
    tokens[torch.arange(rows), at] = end
    return tokens, end


@check("clip/text", points=4)
def text(student: Student, rng: np.random.Generator) -> None:
    """causal_attention(q, k, v) -> (N, L, V); end_of_text(states, tokens, end) -> (B, W), each row at its first end."""
    within = {"n": 100}

    def make(n=None, length=None, dtype=torch.float32, size=1.0):
        def inputs(rng):
            N, L, D, V = asking.sizes(rng, 4, 4, 11)
            N, L = N if n is None else n, L if length is None else length
            q, k, v = asking.normal(rng, N, L, D), asking.normal(rng, N, L, D), asking.normal(rng, N, L, V)
            return (size * q).to(dtype), k.to(dtype), v.to(dtype)

        return inputs

    def answers(q, k, v):
        known = {
            "mask-leaks-future": ("all", "next one too", "zeros"),
            "mask-upside-down": ("upside down",),
            "mask-after-softmax": ("afterwards",),
            "scores-not-divided": ("undivided",),
        }
        wrong = {name: Either(_attention(q, k, v, how) for how in hows) for name, hows in known.items()}
        return {"right": _attention(q, k, v), **wrong}

    def attend(**how):
        inputs, known = draw(rng, make(**how), answers, **within)
        right = known.pop("right")
        near(student.causal_attention(*inputs), right, suspects=known, what="the attention's result", **within)
        return inputs

    with case("attention: each token sees itself and those before it", 1):
        attend()
        attend(dtype=torch.float64)
        asking.unchanged(student, student.causal_attention, *attend(n=1))
    with case("attention: a single token, large scores, gradients", 1):
        q, k, v = make(length=1)(rng)
        near(student.causal_attention(q, k, v), v, what="the result for a single token", **within)
        q, k, v = make(size=100.0)(rng)
        q[:, 0] = -100 * k[:, 0]  # all that the first token sees is far below 0
        wide = {"n": 100, "eps": 2.0**-15}  # of scores of some hundred
        near(student.causal_attention(q, k, v), _attention(q, k, v), what="the result for large scores", **wide)
        inputs = make()(rng)
        weights = asking.normal(rng, *inputs[2].shape)
        _gradients(student, student.causal_attention, _attention, dict(zip("qkv", inputs, strict=True)), [], weights)

    def texts(pad, rows=None, length=None, dtype=torch.float32):
        def inputs(rng):
            B, L, W = asking.sizes(rng, 3, 4, 11)
            B, L = B if rows is None else rows, L if length is None else length
            return asking.normal(rng, B, L, W).to(dtype), *_tokens(rng, B, L, pad)

        return inputs

    def pooled(states, tokens, end):
        every = torch.arange(len(states))
        is_end = tokens == end
        at = is_end.int().argmax(1)
        upto = (torch.arange(tokens.shape[1]) <= at[:, None]).to(states)
        means = [(states * m[..., None]).sum(1) / m.sum(1, keepdim=True) for m in (upto, torch.ones_like(upto))]
        known = {
            "right": states[every, at],
            "last-position": states[:, -1],
            "largest-id": states[every, tokens.argmax(1)],
            "mean-pooled": Either(means),
        }
        if not torch.equal(is_end.sum(1), torch.ones(len(states), dtype=torch.int64)):
            last = tokens.shape[1] - 1 - is_end.flip(1).int().argmax(1)
            if bool(is_end[:, -1].all()):  # padded with ends: the last of them stands at the last position
                del known["last-position"]
            known["last-end"] = states[every, last]
        return known

    def pool(pad, **how):
        inputs, known = draw(rng, texts(pad, **how), pooled)
        right = known.pop("right")
        near(student.end_of_text(*inputs), right, suspects=known, what="the states at the ends")
        return inputs

    with case("the end of a text: found by its id, wherever it stands", 1):
        pool("pad")
        pool("pad", dtype=torch.float64)
        asking.unchanged(student, student.end_of_text, *pool("pad", rows=1))
    with case("the first end, whatever comes behind it; an end in the last place; gradients", 1):
        pool("noise")
        states, tokens, end = pool("end")
        _gradients(student, student.end_of_text, lambda *a: pooled(*a)["right"], {"states": states}, [tokens, end],
                   asking.normal(rng, len(states), states.shape[2]))  # fmt: skip
        states, tokens, end = texts("pad")(rng)
        tokens = torch.where(tokens == end, end + 1, tokens)
        for at, where in ((-1, "last"), (0, "first")):
            tokens[:, at] = end
            near(
                student.end_of_text(states, tokens, end), states[:, at], what=f"the states at ends in the {where} place"
            )
        states, tokens, end = texts("end")(rng)  # the same text, its ids shifted so that the end is 0
        got, want = student.end_of_text(states, tokens - end, 0), pooled(states, tokens, end)["right"]
        near(got, want, what="the states at ends whose id is 0")


# ---- 2 logits


def _similarity(image: Tensor, text: Tensor, t: Tensor) -> Tensor:
    return t.exp() * asking.unit(image) @ asking.unit(text).T


@check("clip/logits", points=2)
def logits(student: Student, rng: np.random.Generator) -> None:
    """similarity(image, text, t) -> exp(t) times the cosine of each picture with each text, (N, M)."""
    within = {"n": 100, "eps": 2.0**-22}  # a length with 1e-8 added to it, against division by 0, is right

    def make(n=None, m=None, dtype=torch.float32):
        def inputs(rng):
            N, M, dim = asking.sizes(rng, 3, 3, 12)
            rows = asking.rows(rng, N if n is None else n, dim), asking.rows(rng, M if m is None else m, dim)
            t = float(rng.choice([rng.uniform(-1.5, -0.3), rng.uniform(1.5, 4.5)]))
            return *(r.to(dtype) for r in rows), torch.tensor(t, dtype=dtype)

        return inputs

    def answers(image, text, t):
        a, b = asking.unit(image), asking.unit(text)
        cosines, s = a @ b.T, t.exp()
        return {
            "right": s * cosines,
            "not-unit-length": Either(s * x @ y.T for x, y in ((image, text), (image, b), (a, text))),
            "scale-not-exponentiated": Either([t * cosines, cosines / t]),
            "temperature-upside-down": cosines / s,
            "no scale": cosines,
        }

    def ask(**how):
        inputs, known = draw(rng, make(**how), answers, **within)
        right = known.pop("right")
        known.pop("no scale")  # has no name, and must not look like one that has
        near(student.similarity(*inputs), right, suspects=known, what="the logits", **within)
        return inputs

    with case("cosines, times the exponential of the parameter", 1):
        ask()
        ask(dtype=torch.float64)
        ask(n=1)
        asking.unchanged(student, student.similarity, *ask(m=1))
    with case("its gradients reach both features and the temperature", 1):
        for limit in (False, True):  # where exp(t) is 100 and a little more, for rounding, it learns as everywhere
            image, text, t = make()(rng)
            t = torch.tensor(math.log(clip.LARGEST_SCALE)) if limit else t
            image, text = image / image.norm(dim=1).max(), text / text.norm(dim=1).max()
            near(student.similarity(image, text, t), _similarity(image, text, t), what="the logits", **within)
            weights = asking.normal(rng, len(image), len(text))
            leaves = {"image": image, "text": text, "t": t}
            _gradients(student, student.similarity, _similarity, leaves, [], weights)


# ---- 3 the loss


def _loss(logits: Tensor, caption: Tensor, how: str = "right") -> Tensor:
    """As asked for, or with one mistake (`how`)."""
    same = caption[:, None] == caption
    off = same & ~torch.eye(len(caption), dtype=torch.bool)
    if how not in ("punished", "as targets", "any of them"):
        logits = logits.masked_fill(off, -math.inf)
    right = torch.arange(len(caption)) * (how != "labels zero")
    match how:
        case "as targets":
            share = same / same.sum(1, keepdim=True)
            return -(share * (logits.log_softmax(1) + logits.T.log_softmax(1))).sum(1).mean() / 2
        case "any of them":
            good = [x.log_softmax(1).masked_fill(~same, -math.inf).logsumexp(1) for x in (logits, logits.T)]
            return -(good[0] + good[1]).mean() / 2
        case "softmax twice":
            return (F.cross_entropy(logits.softmax(1), right) + F.cross_entropy(logits.T.softmax(1), right)) / 2
    rows, columns = F.cross_entropy(logits, right), F.cross_entropy(logits.T, right)
    return {"rows": rows, "columns": columns, "added": rows + columns}.get(how, (rows + columns) / 2)


LOSS_MISTAKES = {
    "one-direction": ("rows", "columns"),
    "directions-added": ("added",),
    "softmax-twice": ("softmax twice",),
}


@check("clip/loss", points=4)
def loss(student: Student, rng: np.random.Generator) -> None:
    """clip_loss(logits, caption) -> the mean of both directions; pairs of one caption are no negatives."""
    within = {"n": 100}

    def numbers(rng, n):
        """Of captions: large or below 0, and near each other."""
        return int(rng.integers(-(2**40), 2**40)) + torch.from_numpy(rng.choice(20, n, replace=False))

    def make(duplicates, dtype=torch.float32):
        def inputs(rng):
            N = int(rng.integers(5, 10))
            caption = numbers(rng, N)
            if duplicates:  # one twice, side by side; another three times, wherever
                pair = int(rng.integers(N - 1))
                caption[pair + 1] = int(caption[pair])
                places = rng.permutation([i for i in range(N) if i not in (pair, pair + 1)])
                caption[places[1:3]] = int(caption[places[0]])
            return (3 * asking.normal(rng, N, N)).to(dtype), caption

        return inputs

    def answers(duplicates):
        def given(logits, caption):
            known = {name: Either(_loss(logits, caption, h) for h in hows) for name, hows in LOSS_MISTAKES.items()}
            if duplicates:
                known["duplicates-punished"] = _loss(logits, caption, "punished")
                hows = ("as targets", "any of them")
                known["duplicates-as-targets"] = Either(_loss(logits, caption, how) for how in hows)
            else:
                known["labels-all-zero"] = _loss(logits, caption, "labels zero")
            right = _loss(logits, caption)
            return {"right": right, **known, "sum": right * len(caption)}

        return given

    def ask(duplicates, **how):
        inputs, known = draw(rng, make(duplicates, **how), answers(duplicates), **within)
        right = known.pop("right")
        known.pop("sum")  # has no name, and must not look like one that has
        got = student.clip_loss(*inputs)
        infinite = isinstance(plain(got), float) and plain(got) == math.inf
        if not duplicates and infinite:  # a wrong label may be what is left out, or the pair itself
            logits, caption = inputs
            alone = plain(
                student.clip_loss(torch.cat([logits, logits])[:, [*range(len(caption))] * 2], caption.repeat(2))
            )
            if isinstance(alone, float) and not math.isfinite(alone):
                known["own-pair-left-out"] = torch.tensor(math.inf)
        near(got, right, suspects=known, what="the loss", **within)
        return inputs

    with case("all captions different: the mean of rows and columns", 1):
        ask(False)
        ask(False, dtype=torch.float64)
        asking.unchanged(student, student.clip_loss, *ask(False))
    with case("some captions the same", 2):
        ask(True)
        ask(True, dtype=torch.float64)
        asking.unchanged(student, student.clip_loss, *ask(True))
    with case("one pair, one caption for all, large logits, gradients", 1):
        for n in (1, int(rng.integers(3, 7))):
            got = student.clip_loss(3 * asking.normal(rng, n, n), numbers(rng, 1).expand(n).clone())
            number = plain(got)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < 1e-5:
                near(got, 0.0, what="the loss where a pair has no negatives")
        logits, caption = make(True)(rng)
        wide = {"n": 100, "eps": 2.0**-20}
        got, want = student.clip_loss(100 * logits, caption), _loss(100 * logits, caption)
        near(got, want, what="the loss of large logits", **wide)
        logits = logits.double() - 1000  # all of them far below 0: the same loss
        near(student.clip_loss(logits, caption), _loss(logits, caption), what="the loss of logits far below 0", **wide)
        for duplicates in (False, True):
            logits, caption = make(duplicates)(rng)
            one = torch.ones(())
            _gradients(student, student.clip_loss, _loss, {"logits": logits}, [caption], one)


# ---- 4 a whole step

# Right versions of steps 2 and 3, in the place of the student's, so that an error there costs its own points only.
GIVEN = """
import math
import torch
from torch import nn
from torch.nn import functional as F

def similarity(image, text, t):
    return t.exp() * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T

def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits, right = logits.masked_fill(same, -math.inf), torch.arange(len(logits))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2

class Tiny(nn.Module):
    def __init__(self, pixels, words, dim):
        super().__init__()
        self.picture, self.word = nn.Linear(pixels, dim), nn.Embedding(words, dim)
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, pictures, tokens):
        return self.picture(pictures.flatten(1)), self.word(tokens).mean(1)

# Up: the temperature's parameter ascends, so that it goes beyond its limit within a step.
def trial(sizes, state, lr, lr_t, up):
    model = Tiny(*sizes)
    model.load_state_dict(state)
    weights = [p for name, p in model.named_parameters() if name != "logit_scale"]
    temperature = {"params": [model.logit_scale], "lr": lr_t, "maximize": up}
    return model, torch.optim.SGD([{"params": weights}, temperature], lr=lr)

# A loss of all features, of which this process's are a part: to which of the two a gradient goes is free.
def of_all(shard_loss):
    def loss(images, texts, t, first, n):
        own = slice(first, first + n)
        return shard_loss(images[own], texts[own], images, texts, t, first)

    return loss

def turn(optimizer):
    optimizer.param_groups[1]["maximize"] = not optimizer.param_groups[1]["maximize"]
"""
_given: dict = {"__name__": __name__}
exec(GIVEN, _given)
# Logits of up to 100: a loss and its gradients are a hundred times as uncertain as a cosine.
WITHIN = {"n": 100, "eps": 2.0**-17}


def _play(how: str, sizes: Sequence[int], state: dict, lr: float, lr_t: float, up: bool,
          batches: Sequence[tuple]) -> tuple[list[float], dict]:  # fmt: skip
    """Losses of steps on these batches, and the state after the last; the temperature turns round after the first."""
    model, optimizer = _given["trial"](sizes, state, lr, lr_t, up)
    losses = []
    for i, (pictures, tokens, caption) in enumerate(batches):
        if i == 1:
            _given["turn"](optimizer)
        limit = math.log(clip.LARGEST_SCALE)
        t = model.logit_scale.clamp(max=limit) if how == "in forward" else model.logit_scale
        loss = _given["clip_loss"](_given["similarity"](*model(pictures, tokens), t), caption)
        if how != "kept":
            optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            if how == "clamped before":
                model.logit_scale.clamp_(max=limit)
            optimizer.step()
            if how == "twice":
                optimizer.step()
            if how not in ("clamped before", "in forward", "free"):
                model.logit_scale.clamp_(max=limit)
        losses.append(loss.item())
    return losses, {k: v.detach() for k, v in model.state_dict().items()}


@check("clip/step", points=3)
def step(student: Student, rng: np.random.Generator) -> None:
    """train_step(model, optimizer, pictures, tokens, caption) -> the loss, a number; the scale is 100 at most."""
    given = student.define(GIVEN)
    limit = math.log(clip.LARGEST_SCALE)

    def make(up, steps=1):
        def inputs(rng):
            N, words, dim, length = asking.sizes(rng, 4, 5, 9)
            sizes = 3 * 2 * 2, words, dim
            state = {k: asking.normal(rng, *v.shape) for k, v in _given["Tiny"](*sizes).state_dict().items()}
            t = rng.uniform(limit - 0.1, limit - 0.02) if up else rng.uniform(1.0, 2.0)
            state["logit_scale"] = torch.tensor(t, dtype=torch.float32)
            state["picture.bias"][0] = rng.uniform(6, 7)  # the limit is not for weights
            batches = []
            for _ in range(steps):
                caption = torch.from_numpy(rng.choice(1000, N, replace=False))
                caption[1] = caption[0]
                tokens = torch.from_numpy(rng.integers(0, words, (N, length)))
                batches.append((asking.normal(rng, N, 3, 2, 2), tokens, caption))
            return sizes, state, float(rng.uniform(0.02, 0.1)), float(rng.uniform(0.01, 0.03)), up, batches

        return inputs

    def ask(sizes, state, lr, lr_t, up, batches):
        """The losses and the model afterwards."""
        model, optimizer = given.trial(sizes, state, lr, lr_t, up)
        losses = []
        with student.given(similarity=given.similarity, clip_loss=given.clip_loss):
            for i, batch in enumerate(batches):
                if i == 1:
                    given.turn(optimizer)
                losses.append(student.keep(student.train_step, model, optimizer, *batch))
        return losses, model

    def question(up, mistakes, part, steps=1, within=WITHIN):
        """Inputs with the right answer of one part, and those of named mistakes."""

        def answers(*inputs):
            known = {name: Either(part(_play(how, *inputs)) for how in hows) for name, hows in mistakes.items()}
            return {"right": part(_play("right", *inputs)), **known}

        inputs, known = draw(rng, make(up, steps), answers, **within)
        known.pop("two steps", None)
        return inputs, known.pop("right"), known

    kept = {"gradients-not-cleared": ("kept",), "two steps": ("twice",)}  # the second has no name
    unlimited = {"clamp-missing": ("free", "in forward"), "clamped-before-step": ("clamped before",)}

    def weights(played):
        return {k: v for k, v in played[1].items() if k != "logit_scale"}

    def temperature(played):
        return played[1]["logit_scale"]

    with case("the loss before the step, and the weights after it", 1):
        for steps in (1, 2):
            inputs, right, known = question(False, kept if steps > 1 else {}, weights, steps)
            losses, model = ask(*inputs)
            if student.isinstance(losses[0], "torch.Tensor") and student.at(losses[0], "requires_grad") is True:
                raise Mismatch("the loss should be a plain number, but it is a tensor with a graph")
            near(student.value(losses[0]), _play("right", *inputs)[0][0], what="the loss", **WITHIN)
            got = student.state(model)
            got = {k: v for k, v in got.items() if k != "logit_scale"} if isinstance(got, dict) else got
            near(got, right, suspects=known, what="the model's weights", **WITHIN)
    with case("the temperature after it: as the optimizer leaves it, and log 100 at most", 1):
        inputs, right, known = question(False, kept, temperature, steps=2)
        _, model = ask(*inputs)
        near(student.at(model, "logit_scale"), right, suspects=known, what="the temperature's parameter", **WITHIN)
        # Up beyond the limit and down again tells mistakes apart; after the first step alone they are all the same.
        inputs, right, known = question(True, unlimited, temperature, steps=2)
        _, model = ask(*inputs)
        what = "the parameter after a step to its limit and another away from it"
        near(student.at(model, "logit_scale"), right, suspects=known, what=what, **WITHIN)
        inputs, right, known = question(True, {"clamped-before-step": ("free",)}, temperature)  # or at the next one's
        _, model = ask(*inputs)
        near(student.at(model, "logit_scale"), right, suspects=known, what="the parameter at its limit")
    with case("several steps, up to the limit and away from it", 1):
        wide = {"n": 400, "eps": 2.0**-15}
        inputs, right, known = question(True, unlimited, list, steps=3, within=wide)
        losses, model = ask(*inputs)
        got = [[student.value(one) for one in losses], student.state(model)]
        what = "[the losses of three steps, the model's state after them]"
        near(got, right, suspects=known, what=what, **wide)
        batch = inputs[-1][0]
        model, optimizer = given.trial(*inputs[:-1])
        with student.given(similarity=given.similarity, clip_loss=given.clip_loss):
            asking.unchanged(student, student.train_step, *batch, before=(model, optimizer))


# ---- 5 over several processes


def _shard(image: Tensor, text: Tensor, images: Tensor, texts: Tensor, t: Tensor, first: int, how: str = "") -> Tensor:
    """As asked for, or with one mistake (`how`)."""
    if how == "local":
        images, texts, first = image, text, 0
    right = torch.arange(len(image)) + {"from zero": 0, "by rank": first * len(image)}.get(how, first)
    right = right % len(images)
    if how == "raw":
        logits = t.exp() * image @ texts.T, t.exp() * text @ images.T
    else:
        logits = _similarity(image, texts, t), _similarity(text, images, t)
    rows, columns = (F.cross_entropy(x, right) for x in logits)
    return {"rows": rows, "columns": columns, "added": rows + columns}.get(how, (rows + columns) / 2)


@check("clip/shards", points=2)
def shards(student: Student, rng: np.random.Generator) -> None:
    """shard_loss(image, text, images, texts, t, first) -> the loss of this process's pairs among all candidates."""
    given = student.define(GIVEN)
    within = {"n": 100, "eps": 2.0**-20}

    def make(where):
        def inputs(rng):
            n, before, behind, dim = asking.sizes(rng, 4, 3, 9)
            before, behind = (0 if where == "first" else before), (0 if where == "last" else behind)
            images, texts = (asking.rows(rng, before + n + behind, dim) for _ in "it")
            t = torch.tensor(float(rng.uniform(0.7, 2.5)))
            own = slice(before, before + n)
            return images[own].clone(), texts[own].clone(), images, texts, t, before

        return inputs

    def answers(*inputs):
        known = {
            "local-shard-only": ("local",),
            "shard-labels-from-zero": ("from zero",),
            "one-direction": ("rows", "columns"),
            "directions-added": ("added",),
            "not-unit-length": ("raw",),
        }
        if inputs[-1] == 0:
            del known["shard-labels-from-zero"]
        wrong = {name: Either(_shard(*inputs, how=how) for how in hows) for name, hows in known.items()}
        nameless = {"whole": _shard(inputs[2], inputs[3], *inputs[2:5], 0)}  # must not look like one that has a name
        if inputs[-1]:
            nameless["by rank"] = _shard(*inputs, how="by rank")
        return {"right": _shard(*inputs), **wrong, **nameless}

    def ask(where):
        inputs, known = draw(rng, make(where), answers, **within)
        right = known.pop("right")
        known.pop("whole")
        known.pop("by rank", None)
        with student.given(similarity=given.similarity):
            near(student.shard_loss(*inputs), right, suspects=known, what="the loss", **within)
        return inputs

    with case("this process's pairs among all candidates, both ways", 1):
        ask("middle")
        ask("last")
        inputs = ask("first")
        with student.given(similarity=given.similarity):
            asking.unchanged(student, student.shard_loss, *inputs)
    with case("the processes' mean is the loss of the whole batch; gradients", 1):
        n, W, dim = asking.sizes(rng, 3)
        images, texts, t = (
            asking.rows(rng, n * W, dim),
            asking.rows(rng, n * W, dim),
            torch.tensor(float(rng.uniform(0.7, 2.5))),
        )
        parts = []
        with student.given(similarity=given.similarity):
            for first in range(0, n * W, n):
                own = slice(first, first + n)
                got = student.shard_loss(images[own].clone(), texts[own].clone(), images, texts, t, first)
                want = _shard(images[own], texts[own], images, texts, t, first)
                near(got, want, what="the loss of one of the processes", **within)
                parts.append(plain(got))
            want = _loss(_similarity(images, texts, t), torch.arange(n * W))
            near(sum(parts) / W, want.item(), what="the mean of the losses", **within)
            image, _, images, texts, t, first = make("middle")(rng)
            leaves = {"images": images / images.norm(dim=1).max(), "texts": texts / texts.norm(dim=1).max(), "t": t}
            given_all, rest = given.of_all(student.shard_loss), [first, len(image)]
            _gradients(student, given_all, _given["of_all"](_shard), leaves, rest, torch.ones(()))


# ---- 6 a classifier made of words

ENCODER = """
import hashlib
import torch

def encoder(salt, dim):
    def encode(texts):
        if isinstance(texts, str):
            raise TypeError("encode takes a list of texts, not a text")
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(f"{salt} {text}".encode()).digest()[:6])
            generator = torch.Generator().manual_seed(seed)
            length = 10 ** (2 * torch.rand((), generator=generator) - 1)
            rows.append(length * torch.randn(dim, generator=generator))
        return torch.stack(rows)

    return encode
"""
_encoders: dict = {"__name__": __name__}
exec(ENCODER, _encoders)


def _word(rng: np.random.Generator) -> str:
    """Letters of either case."""
    return "".join(chr(int(rng.choice([65, 97])) + int(c)) for c in rng.integers(0, 26, int(rng.integers(4, 8))))


def _means(features: Tensor, before: bool = True, after: bool = True) -> Tensor:
    """(K, T, dim) to (K, dim)."""
    mean = (asking.unit(features) if before else features).mean(1)
    return asking.unit(mean) if after else mean


@check("clip/zero_shot", points=3)
def zero_shot(student: Student, rng: np.random.Generator) -> None:
    """zero_shot_weights(encode, classes, templates) -> (K, dim) of unit length; classify(image, weights) -> int64."""
    given = student.define(ENCODER)
    within = {"n": 100, "eps": 2.0**-20}  # a mean of unit vectors may be short

    def make(classes=None, templates=None):
        def inputs(rng):
            K, T, dim = asking.sizes(rng, 3, 3, 8)
            K, T = K if classes is None else classes, T if templates is None else templates
            parts = [(_word(rng), _word(rng)) for _ in range(T)]
            forms = ("{} %s %s", "%s {} %s", "%s %s {}")
            return (int(rng.integers(10**6)), dim, [f"{_word(rng)} {_word(rng)}" for _ in range(K)],
                    [forms[int(rng.integers(3))] % p for p in parts])  # fmt: skip

        return inputs

    def answers(salt, dim, classes, templates):
        encode = _encoders["encoder"](salt, dim)
        features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
        K, T = features.shape[:2]
        known = {"right": _means(features)}
        if T > 1:
            other = features.transpose(0, 1).reshape(K, T, dim), features.reshape(T, K, dim).transpose(0, 1)
            known |= {
                "prompts-not-normalised": Either(_means(features, before=False, after=a) for a in (True, False)),
                "mean-not-normalised": Either([_means(features, after=False), asking.unit(features).sum(1)]),
                "one-template-only": Either(asking.unit(features[:, i]) for i in range(T)),
            }
            if K > 1:
                known["prompts-mixed-up"] = Either(_means(x) for x in other)
        return known | {"no template": asking.unit(encode(classes))}

    def ask(**how):
        inputs, known = draw(rng, make(**how), answers, **within)
        right = known.pop("right")
        known.pop("no template")  # has no name, and must not look like one that has
        salt, dim, classes, templates = inputs
        got = student.zero_shot_weights(given.encoder(salt, dim), classes, templates)
        near(got, right, suspects=known, what="the weights", **within)

    with case("the mean of a class's prompts, of unit length before and after", 1):
        ask()
        ask()
        salt, dim, classes, templates = make()(rng)
        asking.unchanged(student, student.zero_shot_weights, classes, templates, before=[given.encoder(salt, dim)])
    with case("one template, one class", 1):
        ask(templates=1)
        ask(classes=1)
    with case("the most similar class of each picture", 1):

        def pictures(rng):
            K, dim = asking.sizes(rng, 2)
            return asking.rows(rng, int(rng.integers(20, 30)), dim), asking.unit(asking.normal(rng, K, dim))

        def classes_of(image, weights):
            logits = image @ weights.T
            return {"right": logits.argmax(1), "least": logits.argmin(1), "magnitude": logits.abs().argmax(1)}

        for _ in range(2):
            (image, weights), known = draw(rng, pictures, classes_of)
            near(student.classify(image, weights), known["right"], what="the classes")
        asking.unchanged(student, student.classify, image, weights)
        near(student.classify(image[:1], weights), known["right"][:1], what="the class of a single picture")
        K, dim = sorted(asking.sizes(rng, 2))
        weights = asking.unit(asking.normal(rng, K, dim))
        below = -torch.from_numpy(rng.permuted(np.tile(np.arange(1.0, K + 1), (5, 1)), axis=1)).float()  # (5, K)
        image = below @ torch.linalg.pinv(weights).T
        near(student.classify(image, weights), below.argmax(1), what="the classes of pictures that are like none")


# ---- 7 recall

HITS = """
import torch

def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, float("-inf")).amax(1, keepdim=True)
    return ((similarity >= best) & ~relevant).sum(1) < k
"""
_hits: dict = {"__name__": __name__}
exec(HITS, _hits)


def _first_only(similarity: Tensor, relevant: Tensor, k: int) -> Either:
    """Before it stand all that are more similar, or the wrong ones of them."""
    first = relevant.int().argmax(1)
    more = similarity > similarity.gather(1, first[:, None])
    return Either([more.sum(1) < k, (more & ~relevant).sum(1) < k])


def _found(similarity: Tensor, relevant: Tensor, k: int) -> Tensor:
    """How many of its right answers are among each query's first k."""
    return relevant.gather(1, similarity.topk(k).indices).sum(1)


@check("clip/recall", points=3)
def recall(student: Student, rng: np.random.Generator) -> None:
    """hits(similarity, relevant, k) -> (Q,) bool; recall(similarity, relevant, k) -> shares of both directions."""

    def make(single=False, ties=False, k=None, far=0):
        """far: 1 or -1, for numbers near ±64 to ±100, where the next number in float32 is 2^-17 away: equal, or just
        not."""

        def inputs(rng):
            C = int(rng.integers(7, 14))
            Q = int(rng.integers(20, 30))  # enough that no mistake looks like another one, or like none
            relevant = torch.zeros(Q, C, dtype=torch.bool)
            relevant[torch.arange(Q), torch.from_numpy(rng.choice(C, Q, replace=Q > C))] = True
            if not single:
                relevant |= torch.from_numpy(rng.random((Q, C)) < 0.2)
                relevant[torch.from_numpy(rng.integers(0, Q, C)), torch.arange(C)] = True
            numbers = rng.integers(-2, 3, (Q, C)) / 4 if ties else rng.permuted(np.arange(Q * C)).reshape(Q, C) / 64 - 1
            numbers = far * rng.integers(66, 98) + numbers / 2**15 if far else numbers
            return torch.from_numpy(numbers).float(), relevant, int(rng.integers(2, 5)) if k is None else k

        return inputs

    def answers(similarity, relevant, k):
        found, there = _found(similarity, relevant, k), relevant.sum(1)
        shares = [found / there, found / k]
        return {
            "right": _hits["hits"](similarity, relevant, k),
            "first-caption-only": _first_only(similarity, relevant, k),
            "all-captions-asked-for": found == there,
            "share-of-captions": Either([*shares, *(s.double() for s in shares)]),
            "nothing": torch.zeros(len(relevant), dtype=torch.bool),  # has no name, and must not look like one that has
        }

    def tied(similarity, relevant, k):
        best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
        chance = clip.recall_at_k(similarity, relevant, k)
        known = {
            "right": _hits["hits"](similarity, relevant, k),
            "ties-as-hits": (similarity > best).sum(1) < k,
            "ties-averaged": Either([chance, chance.float()]),
        }
        # Where a query has several right ones, they must not count against each other: that has no name.
        return known | (
            {"among right ones": (similarity >= best).sum(1) <= k} if bool((relevant.sum(1) > 1).any()) else {}
        )

    with case("one right answer or several: is one of them among the first k?", 1):
        for single, k in ((False, None), (False, 1), (True, None)):
            if single:
                inputs = make(single=True)(rng)
                known = {"right": _hits["hits"](*inputs)}
            elif k:
                inputs = make(k=k)(rng)
                known = {"right": _hits["hits"](*inputs)}
            else:
                inputs, known = draw(rng, make(), answers)
                known.pop("nothing")
            near(student.hits(*inputs), known.pop("right"), suspects=known, what="the hits")
        asking.unchanged(student, student.hits, *inputs)
        similarity, relevant, k = inputs
        got, want = student.hits(similarity[:1], relevant[:1], k), _hits["hits"](*inputs)[:1]
        near(got, want, what="the hit of a single query")

    def ask_tied(similarity, relevant, k, right, suspects, several=False):
        """several: whether a query has several right answers, of which a wrong program may prefer one by its place."""
        got = student.hits(similarity, relevant, k)
        try:
            near(got, right, suspects=suspects, what="the hits where candidates tie")
        except Mismatch as problem:
            is_hits = isinstance(got, Tensor | np.ndarray) and str(got.dtype).endswith("bool")
            if several is False and is_hits and _by_position(student, got, similarity, relevant, k, rng):
                raise Mismatch(str(problem), "ties-by-position") from None
            raise

    with case("ties count against the model", 1):
        inputs = make(single=True)(rng)
        near(student.hits(*inputs), _hits["hits"](*inputs), what="the hits without ties", dtype=False)
        for single, far in ((True, 0), (True, 1), (True, -1), (False, 0), (False, 1)):
            inputs, known = draw(rng, make(single=single, ties=True, far=far), tied)
            right = known.pop("right")
            known.pop("among right ones", None)
            ask_tied(*inputs, right, {} if far else known, several=not single)  # small numbers are lost in large ones
        similarity, relevant, k = inputs
        collapsed = torch.full_like(similarity, float(rng.uniform(-1, 1)))
        every = torch.ones(len(relevant), dtype=torch.bool)
        wrong = (~relevant).sum(1)
        ask_tied(collapsed, relevant, k, wrong < k, {"ties-as-hits": every}, several=True)
        ask_tied(collapsed, relevant, relevant.shape[1], every, {}, several=True)
    with case("the share of hits from pictures to captions, and from captions to pictures", 1):

        def both(similarity, relevant, k):
            there = _hits["hits"](similarity, relevant, k).double().mean().item()
            back = _hits["hits"](similarity.T, relevant.T, k).double().mean().item()
            return {
                "right": (there, back),
                "same-direction-twice": Either([(there, there), (back, back)]),
                "exchanged": (back, there),  # has no name, and must not look like one that has
            }

        for _ in range(2):
            inputs, known = draw(rng, make(), both)
            known.pop("exchanged")
            with student.given(hits=student.define(HITS).hits):
                got = student.recall(*inputs)
            near(got, known.pop("right"), suspects=known, what="(pictures to captions, captions to pictures)", n=9)
        with student.given(hits=student.define(HITS).hits):
            asking.unchanged(student, student.recall, *inputs)


def _by_position(student: Student, got: Any, similarity: Tensor, relevant: Tensor, k: int,
                 rng: np.random.Generator) -> bool:  # fmt: skip
    """Whether other hits come of the same question with its columns in another order."""
    for _ in range(12):
        order = torch.from_numpy(rng.permutation(similarity.shape[1]))
        again = student.hits(similarity[:, order].clone(), relevant[:, order].clone(), k)
        shapes = [tuple(x.shape) for x in (got, again) if isinstance(x, Tensor | np.ndarray)]
        if shapes == [(len(relevant),)] * 2 and not np.array_equal(np.asarray(got), np.asarray(again)):
            return True
    return False
