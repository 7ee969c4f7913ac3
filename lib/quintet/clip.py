"""CLIP: one space for pictures and words, learned from which caption belongs to which picture.

[R21]  Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021
       (arXiv:2103.00020). figure 3 the loss · §2.3 captions and symmetry · §2.4 both transformers · §2.5 temperature,
       optimiser, table 18 · §3.1.4 prompt ensembles
[D21]  Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021 (arXiv:2010.11929). §3.1 patches and class token
[O]    OpenAI's released model, MIT licence, github.com/openai/CLIP: names and shapes of the weights, initialisation
[H22]  Huynh et al., Boosting Contrastive Self-Supervised Learning with False Negative Cancellation, WACV 2022
       (arXiv:2011.11765). negatives that are none are left out of the denominator

    image = normalise(vision transformer(pictures))     (N, dim)    [R21 fig. 3] I_e
    text = normalise(text transformer(captions))        (N, dim)    [R21 fig. 3] T_e
    logits = scale · image @ text.T                     (N, N)      pair i, i belongs together, all others do not
    loss = (cross-entropy of the rows + cross-entropy of the columns) / 2

    symbol here        symbol there
    logit_scale        [R21 fig. 3] t, the logarithm of scale; scale = exp(t) = 1 / temperature, at most 100
    B, L, W            pictures or captions, tokens of each, width of a transformer
    H, G               heads; patches along one side of a picture
    Q, C               in retrieval: queries, and candidates to rank for each
"""

import math
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

# ---------------------------------------------------------------------------------------------------------------------
# Captions as tokens

PAD, START, END = 0, 1, 2
VOCAB = 3 + 256  # a token for each byte of UTF-8, so that every language can be written


def tokenize(texts: Sequence[str], context: int = 64, truncate: bool = False) -> Tensor:
    """Captions as int64 (B, L): START, the bytes of the text, END, then PAD up to the longest, L ≤ context.

    Texts are lower-cased [R21 §2.4] and white space is joined. A Chinese character takes three bytes. Differs from
    [R21], whose tokens are pieces of English words out of 49,152: there is nothing to learn or to load here.
    truncate: cut what does not fit, between characters; else it is a ValueError, as are no texts and a context below 2.
    """
    if not texts or context < 2:
        raise ValueError(f"expected texts, and a context of at least 2 tokens; received {len(texts)} and {context}")
    rows = []
    for text in texts:
        raw = " ".join(unicodedata.normalize("NFC", text).lower().split()).encode()
        if len(raw) > context - 2:
            if not truncate:
                raise ValueError(
                    f"expected at most {context - 2} bytes, received {len(raw)} in {text[:40]!r}: raise `context` or "
                    "set truncate=True"
                )
            raw = raw[: context - 2].decode(errors="ignore").encode()
        rows.append(torch.tensor([START, *(3 + byte for byte in raw), END]))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)


def detokenize(tokens: Tensor) -> list[str]:
    """The texts of `tokenize`'s rows, up to END, as it has normalised them."""
    texts = []
    for row in tokens.tolist():
        row = row[: row.index(END)] if END in row else row
        texts.append(bytes(token - 3 for token in row if token >= 3).decode(errors="replace"))
    return texts


# ---------------------------------------------------------------------------------------------------------------------
# Transformers


class QuickGelu(nn.Module):
    """x · sigmoid(1.702 x): the approximation of GELU that OpenAI's weights were trained with. [O]"""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Self-attention with H heads, (B, L, W) to (B, L, W). causal: a token sees itself and those before it.

    The weights are named and laid out as those of `nn.MultiheadAttention`. Raises ValueError where the width is no
    multiple of the heads.
    """

    def __init__(self, width: int, heads: int, causal: bool):
        super().__init__()
        if width % heads:
            raise ValueError(f"expected a width that is a multiple of the heads, received {width} and {heads}")
        self.heads, self.causal = heads, causal
        self.in_proj_weight = nn.Parameter(width**-0.5 * torch.randn(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        B, L, W = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, L, 3W)
        q, k, v = qkv.view(B, L, 3, self.heads, W // self.heads).permute(2, 0, 3, 1, 4)  # each (B, H, L, W/H)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(x.transpose(1, 2).reshape(B, L, W))


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x). [D21 (2), (3)]"""

    def __init__(self, width: int, heads: int, causal: bool, quick_gelu: bool):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal)
        self.ln_2 = nn.LayerNorm(width)
        layers = OrderedDict(
            c_fc=nn.Linear(width, 4 * width),
            gelu=QuickGelu() if quick_gelu else nn.GELU(),
            c_proj=nn.Linear(4 * width, width),
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Blocks one after the other, (B, L, W) to (B, L, W).

    Initialised as [O] does its text transformer: deviations of 1/√W, and 1/√(2·layers) of that for what is added to
    the stream. Differs from [O], which leaves PyTorch's own initialisation in the vision transformer's blocks.
    """

    def __init__(self, width: int, layers: int, heads: int, causal: bool = False, quick_gelu: bool = False):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, causal, quick_gelu) for _ in range(layers))
        for block in self.resblocks:
            nn.init.normal_(block.attn.out_proj.weight, std=(2 * width * layers) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=(2 * width * layers) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x


@dataclass(frozen=True)
class Vision:
    """Sizes of a vision transformer: pixels along a side of the picture and of a patch, then those of its blocks."""

    image: int = 32
    patch: int = 4
    width: int = 128
    layers: int = 4
    heads: int = 4


@dataclass(frozen=True)
class Text:
    """Sizes of a text transformer: most tokens of a caption, different tokens, the token that ends it; its blocks."""

    context: int = 64
    vocab: int = VOCAB
    end: int = END
    width: int = 128
    layers: int = 4
    heads: int = 4


class VisionTransformer(nn.Module):
    """Pictures (B, 3, S, S) of floats to features (B, dim), not normalised. [D21 §3.1], [R21 §2.4]

    With a layer norm before the blocks [R21], and one on the class token after them. Raises ValueError where the
    patches do not tile the picture, or for pictures of another size.
    """

    def __init__(self, size: Vision, dim: int, quick_gelu: bool = False):
        super().__init__()
        if size.image % size.patch:
            raise ValueError(f"expected patches that tile a picture of {size.image} pixels, received {size.patch}")
        self.size, grid, scale = size, size.image // size.patch, size.width**-0.5
        self.conv1 = nn.Conv2d(3, size.width, kernel_size=size.patch, stride=size.patch, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(size.width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(grid * grid + 1, size.width))
        self.ln_pre = nn.LayerNorm(size.width)
        self.transformer = Transformer(size.width, size.layers, size.heads, quick_gelu=quick_gelu)
        self.ln_post = nn.LayerNorm(size.width)
        self.proj = nn.Parameter(scale * torch.randn(size.width, dim))

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1:] != (3, self.size.image, self.size.image):
            side = self.size.image
            raise ValueError(f"expected pictures (B, 3, {side}, {side}), received {tuple(images.shape)}: resize them")
        x = self.conv1(images).flatten(2).transpose(1, 2)  # (B, W, G, G) to (B, G², W)
        first = self.class_embedding.to(x.dtype).expand(len(x), 1, -1)
        x = torch.cat([first, x], dim=1) + self.positional_embedding.to(x.dtype)  # (B, 1 + G², W)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj  # (B, dim)


def end_of_text(x: Tensor, text: Tensor, end: int) -> Tensor:
    """The state at each caption's first `end` token, (B, W) of x (B, L, W) and text (B, L). [R21 §2.4]

    The token is found by its id. [O] takes `text.argmax(-1)`: right as long as the end has the highest id of all, as
    in its vocabulary. In one that puts special tokens first (this module's, BERT's), or that was given tokens later,
    the highest id is some letter or word, and the feature is that of a caption cut off there: nothing fails, and the
    model learns badly. A row without `end` gives NaN, so that it is noticed without waiting for a GPU to look.
    """
    is_end = text == end
    pooled = x[torch.arange(len(x), device=x.device), is_end.int().argmax(-1)]
    return pooled.masked_fill(~is_end.any(-1, keepdim=True), math.nan)


class TextTransformer(nn.Module):
    """Captions, int64 (B, L) with L ≤ context, to features (B, dim), not normalised. [R21 §2.4]

    Causal: a token sees itself and those before it, so the one that ends the caption is the only one that has seen all
    of it, and what comes after (padding) changes nothing. Hence a batch need only be as long as its longest caption.
    Raises ValueError for longer captions.
    """

    def __init__(self, size: Text, dim: int, quick_gelu: bool = False):
        super().__init__()
        self.text_size = size
        self.token_embedding = nn.Embedding(size.vocab, size.width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(size.context, size.width))
        self.transformer = Transformer(size.width, size.layers, size.heads, causal=True, quick_gelu=quick_gelu)
        self.ln_final = nn.LayerNorm(size.width)
        self.text_projection = nn.Parameter(size.width**-0.5 * torch.randn(size.width, dim))
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(self, text: Tensor) -> Tensor:
        L, context = text.shape[1], self.text_size.context
        if L > context:
            raise ValueError(f"expected at most {context} tokens a caption, received {L}: truncate them")
        x = self.token_embedding(text) + self.positional_embedding[:L]  # (B, L, W)
        x = self.transformer(x)
        return self.ln_final(end_of_text(x, text, self.text_size.end)) @ self.text_projection  # (B, dim)


LARGEST_SCALE = 100.0  # of logits [R21 §2.5]


class Clip(TextTransformer):
    """Both transformers and the temperature. [R21 fig. 3]

        image, text, scale = model(pictures, tokens)
        loss = clip_loss(image, text, scale)

    It is a text transformer with a vision transformer `visual`, as in [O], whose state dicts load: there the text's
    weights have no prefix (`ln_final.weight`) and the picture's have one (`visual.ln_post.weight`).
    """

    def __init__(self, dim: int = 64, vision: Vision | None = None, text: Text | None = None, quick_gelu: bool = False):
        super().__init__(text or Text(), dim, quick_gelu)
        self.visual = VisionTransformer(vision or Vision(), dim, quick_gelu)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # [R21 §2.5]

    @classmethod
    def from_openai(cls, state: Mapping[str, Tensor], end: int | None = None, head_width: int = 64) -> Self:
        """A float32 model of a state dict with OpenAI's names, its sizes read off the weights. [O]

        end: the id that ends a caption, by default the last of the vocabulary. head_width: of a head, which the
        weights do not show. With QuickGELU. Raises RuntimeError (torch's) where weights are missing or left over, as
        those of a ResNet in place of the vision transformer are.
        """
        weights = {k: v for k, v in state.items() if k not in ("input_resolution", "context_length", "vocab_size")}

        def layers(prefix: str) -> int:
            return len({k.split(".")[-3] for k in weights if re.fullmatch(rf"{prefix}resblocks\.\d+\.ln_1\.weight", k)})

        shapes = {k: v.shape for k, v in weights.items()}
        try:
            width, _, patch, _ = shapes["visual.conv1.weight"]
            grid = math.isqrt(shapes["visual.positional_embedding"][0] - 1)
            vocab, text_width = shapes["token_embedding.weight"]
            context, dim = shapes["positional_embedding"][0], shapes["text_projection"][1]
        except KeyError as missing:
            raise RuntimeError(f"expected the weights of a CLIP with a vision transformer, without {missing}") from None
        vision = Vision(patch * grid, patch, width, layers(r"visual\.transformer\."), width // head_width)
        text = Text(
            context, vocab, vocab - 1 if end is None else end,
            text_width, layers(r"transformer\."), text_width // head_width,
        )  # fmt: skip
        model = cls(dim, vision, text, quick_gelu=True)
        model.load_state_dict(weights)
        return model

    def encode_image(self, images: Tensor) -> Tensor:
        """Features (B, dim) of length 1."""
        return F.normalize(self.visual(images), dim=-1)

    def encode_text(self, text: Tensor) -> Tensor:
        """Features (B, dim) of length 1."""
        return F.normalize(super().forward(text), dim=-1)

    def forward(self, images: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both features, of length 1, and the scale of the logits."""
        return self.encode_image(images), self.encode_text(text), self.logit_scale.exp()

    @torch.no_grad()
    def clamp_scale_(self) -> None:
        """Keep the scale at 100 at most: call it after each optimizer step. [R21 §2.5]

        The parameter is clamped, not what the loss sees: a clamp in the forward pass has no gradient where it acts, so
        a scale that went beyond could not come back.
        """
        self.logit_scale.clamp_(max=math.log(LARGEST_SCALE))


# ---------------------------------------------------------------------------------------------------------------------
# The loss


def clip_loss(image: Tensor, text: Tensor, scale: Tensor | float, caption: Tensor | None = None) -> Tensor:
    """The mean over N pairs of -log softmax at the right one, over captions and over pictures. [R21 fig. 3]

    image, text: (N, dim) of length 1, row i of one belongs to row i of the other. scale: exp(logit_scale), a scalar.
    caption: (N,) integers, equal where captions are: two pictures with the same caption are no negatives of each other
    and leave each other's denominator [H22]; without it they are, as in [R21]. Logits have the features' dtype, and in
    half precision theirs is the error of the loss: near 100 a logit is rounded to 1/2 in bf16. Finite for every scale
    up to 100; log N where all features are equal. Raises ValueError for other shapes.
    """
    _check_pairs(image, text, caption)
    logits = scale * image @ text.T  # (N, N)
    if caption is not None:
        logits = logits.masked_fill(_false_negatives(caption, caption), -math.inf)
    right = torch.arange(len(image), device=image.device)
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def gathered_clip_loss(
    image: Tensor,
    text: Tensor,
    scale: Tensor | float,
    caption: Tensor | None = None,
    *,
    local: bool = True,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """`clip_loss` of all ranks' pairs, where every rank has N of them and W·N candidates for each.

    Every rank gathers all features; the gradient goes back through the gather, summed over ranks. Two forms:

        local=True      a rank's loss is that of its own pairs: (N, W·N) logits. The ranks' mean is the whole loss
        local=False     every rank computes the whole loss: (W·N, W·N) logits, W times the work and memory

    With either, the mean of the ranks' gradients (what DistributedDataParallel leaves) is the gradient of the whole
    loss in one process. The other arguments, and what is raised, as in `clip_loss`; N must be the same on all ranks.
    """
    _check_pairs(image, text, caption)
    images, texts = _Gather.apply(image, group), _Gather.apply(text, group)  # (W·N, dim)
    captions = None if caption is None else _gathered(caption, group)
    if not local:
        return clip_loss(images, texts, scale, captions)
    per_image, per_text = scale * image @ texts.T, scale * text @ images.T  # (N, W·N)
    first = dist.get_rank(group) * len(image)
    right = torch.arange(first, first + len(image), device=image.device)
    if captions is not None:
        false = _false_negatives(caption, captions, first)
        per_image, per_text = (logits.masked_fill(false, -math.inf) for logits in (per_image, per_text))
    return (F.cross_entropy(per_image, right) + F.cross_entropy(per_text, right)) / 2


def _check_pairs(image: Tensor, text: Tensor, caption: Tensor | None) -> None:
    if image.ndim != 2 or image.shape != text.shape or not len(image):
        raise ValueError(
            f"expected features of pairs, twice (N, dim), received {tuple(image.shape)} and {tuple(text.shape)}"
        )
    if caption is not None and caption.shape != image.shape[:1]:
        raise ValueError(f"expected an integer for each of {len(image)} captions, received {tuple(caption.shape)}")


def _false_negatives(own: Tensor, every: Tensor, first: int = 0) -> Tensor:
    """(n, N) bool: is the caption the same, and not the pair's own? Row i's own is column first + i."""
    same = own[:, None] == every
    same.diagonal(first).fill_(False)
    return same


def _gathered(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    x = x.contiguous()
    out = x.new_empty(dist.get_world_size(group) * len(x), *x.shape[1:])
    dist.all_gather_into_tensor(out, x, group=group)
    return out


class _Gather(torch.autograd.Function):
    """All ranks' rows, (N, dim) to (W·N, dim). Backward: what all ranks' losses ask of this rank's rows, summed."""

    @staticmethod
    def forward(ctx, x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group, ctx.rows = group, len(x)
        return _gathered(x, group)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        own = grad.new_empty(ctx.rows, *grad.shape[1:])
        dist.reduce_scatter_tensor(own, grad.contiguous(), group=ctx.group)
        return own, None


# ---------------------------------------------------------------------------------------------------------------------
# Training


def adamw(model: nn.Module, lr: float, weight_decay: float = 0.2) -> torch.optim.AdamW:
    """AdamW as for [R21]'s vision transformers: decay for all weights that are not gains or biases. [§2.5, table 18]"""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},  # the temperature is one of these
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), eps=1e-6)


def train_step(
    model: Clip, optimizer: torch.optim.Optimizer, images: Tensor, text: Tensor, caption: Tensor | None = None
) -> Tensor:
    """One step on N pairs; returns the loss before it, detached. images (N, 3, S, S) of floats, text (N, L) int64.

    caption as in `clip_loss`.
    """
    optimizer.zero_grad(set_to_none=True)
    loss = clip_loss(*model(images, text), caption)
    loss.backward()
    optimizer.step()
    model.clamp_scale_()
    return loss.detach()


# ---------------------------------------------------------------------------------------------------------------------
# Zero-shot classification


@torch.no_grad()
def zero_shot_weights(
    encode: Callable[[list[str]], Tensor], classes: Sequence[str], templates: Sequence[str] = ("{}",)
) -> Tensor:
    """A classifier without training pictures: (classes, dim), rows of length 1; `image @ weights.T` are its logits.

    encode: texts to features (n, dim), normalised here. templates: prompts with `{}` for the class. The ensemble is
    over the embedding space: the mean of the normalised features, normalised again, so that it costs no more than one
    prompt later on, and no prompt counts more for the length of its features. [R21 §3.1.4]
    Raises ValueError for no classes, no templates, or a template without `{}`.
    """
    if not classes or not templates or any("{}" not in t for t in templates):
        raise ValueError(
            f"expected classes, and templates that hold {{}}; received {len(classes)} classes and {templates!r}"
        )
    features = [F.normalize(encode([t.replace("{}", c) for t in templates]), dim=-1).mean(0) for c in classes]
    return F.normalize(torch.stack(features), dim=-1)


# ---------------------------------------------------------------------------------------------------------------------
# Retrieval


def recall_at_k(similarity: Tensor, relevant: Tensor, k: int) -> Tensor:
    """For each query: is one of its right answers among the k most similar? (Q,) float64, the mean of which is R@k.

    similarity: (Q, C), no NaN. relevant: (Q, C) bool, at least one a row: a picture has several right captions, and
    each counts. The other way round is `recall_at_k(similarity.T, relevant.T, k)`.
    Ties: the expected value if candidates of equal similarity were ranked at random. With p right ones among the t
    that tie with the best right one, and r of the k places left for these t, a hit has the probability
    1 - C(t-p, r) / C(t, r). So a model that has collapsed scores chance, not 1; and chance itself is the recall of
    `torch.zeros_like(similarity)`. Raises ValueError for k below 1, other shapes, NaN, and a query without answer.
    """
    _check_retrieval(similarity, relevant, k)
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)  # (Q, 1)
    better, tied = similarity > best, similarity == best
    places = k - better.sum(1)  # r: what those before leave
    ties, wrong = tied.sum(1), (tied & ~relevant).sum(1)  # t, t-p
    miss = torch.ones(len(similarity), dtype=torch.float64, device=similarity.device)
    for i in range(min(k, similarity.shape[1])):  # C(t-p, r) / C(t, r) is the product of (t-p-i) / (t-i) for i < r
        factor = (wrong - i).clamp(min=0).double() / (ties - i).clamp(min=1)
        miss = torch.where(i < places, miss * factor, miss)
    return 1 - miss


def _check_retrieval(similarity: Tensor, relevant: Tensor, k: int) -> None:
    if similarity.ndim != 2 or similarity.shape != relevant.shape or relevant.dtype != torch.bool:
        raise ValueError(
            f"expected similarity and bool relevance, both (Q, C); received {tuple(similarity.shape)} and "
            f"{relevant.dtype} {tuple(relevant.shape)}"
        )
    if k < 1:
        raise ValueError(f"expected k of 1 or more, received {k}")
    if similarity.isnan().any():
        raise ValueError("expected similarities that can be ordered, received NaN: find where it arises")
    if not relevant.any(1).all():
        raise ValueError("expected a right answer for every query, received one without: leave it out")


def lexical_overlap(queries: Sequence[str], candidates: Sequence[str]) -> Tensor:
    """Jaccard's index of the sets of words, (Q, C) float64 in 0 to 1: shared words over words of either.

    A word is a run of letters or digits, in lower case; a Chinese character is one by itself. Two texts without words
    have nothing in common.
    """
    bags = [set(re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", t.lower())) for t in (*queries, *candidates)]
    column = {word: i for i, word in enumerate(sorted(set().union(*bags)))}
    held = torch.zeros(len(bags), len(column), dtype=torch.float64)
    for row, bag in enumerate(bags):
        held[row, [column[word] for word in bag]] = 1
    a, b = held[: len(queries)], held[len(queries) :]
    shared = a @ b.T
    return shared / (a.sum(1)[:, None] + b.sum(1) - shared).clamp(min=1)


def lexical_baseline(images: Tensor, seen: Tensor, seen_captions: Sequence[str], captions: Sequence[str]) -> Tensor:
    """What no learning gets: each picture borrows the caption of the training picture nearest in pixels, and captions
    are ranked by the words that they share with it. (N, C) float64, a similarity for `recall_at_k`.

    images (N, ...), seen (M, ...): pictures of one shape, nearest by Euclidean distance. seen_captions: M texts;
    captions: the C candidates. Where a test set's names are made of the training set's words, this is above chance,
    and a model has to beat it. Raises ValueError where M differs.
    """
    if len(seen) != len(seen_captions):
        raise ValueError(f"expected a caption for each of {len(seen)} pictures, received {len(seen_captions)}")
    nearest = torch.cdist(images.flatten(1).float(), seen.flatten(1).float()).argmin(1)
    return lexical_overlap([seen_captions[i] for i in nearest.tolist()], captions)


class Interval(NamedTuple):
    """A mean, and the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: Tensor, concepts: Sequence[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The mean of `values` (Q,), with an interval from drawing whole concepts with replacement (percentiles).

    Queries of one concept succeed and fail together: drawn one by one they would count as independent, and the interval
    would be too narrow. For the difference of two models give the differences of their values on the same queries.
    Raises ValueError for fewer than two concepts, or another number of them than of values.
    """
    from scipy import stats

    if len(values) != len(concepts) or len(set(concepts)) < 2:
        raise ValueError(
            f"expected a concept for each of {len(values)} values and at least two different ones, received "
            f"{len(concepts)} and {len(set(concepts))}"
        )
    _, index = np.unique(list(concepts), return_inverse=True)
    sums, counts = np.bincount(index, weights=values.double().cpu().numpy()), np.bincount(index)
    drawn = stats.bootstrap(
        (sums, counts), lambda s, n, axis=-1: s.sum(axis) / n.sum(axis), paired=True, vectorized=True,
        method="percentile", confidence_level=level, n_resamples=resamples, rng=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = drawn.confidence_interval
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))
