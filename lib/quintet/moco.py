"""Momentum contrast: a picture is its own label, and a slow copy of the network keeps the labels consistent.

[H20]  He et al., Momentum Contrast for Unsupervised Visual Representation Learning, CVPR 2020 (arXiv:1911.05722)
       §3.1 the loss · §3.2 queue and momentum · §3.3 shuffled batch norm · Algorithm 1
[C20]  Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020 (arXiv:2003.04297): MoCo v2
[C21]  Chen, Xie and He, An Empirical Study of Training Self-Supervised Vision Transformers, ICCV 2021
       (arXiv:2104.02057): MoCo v3. §3 and Algorithm 1 · §4.2 the frozen patch projection · §5 heads, loss, ViT
[X21]  Chen and He, Exploring Simple Siamese Representation Learning, CVPR 2021 (arXiv:2011.10566): SimSiam
[G20]  Grill et al., Bootstrap Your Own Latent, NeurIPS 2020 (arXiv:2006.07733): BYOL
[W18]  Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018
       (arXiv:1805.01978) §3.4 the weighted nearest-neighbour vote
[WI20] Wang and Isola, Understanding Contrastive Representation Learning through Alignment and Uniformity on the
       Hypersphere, ICML 2020 (arXiv:2005.10242)
[RV07] Roy and Vetterli, The effective rank, EUSIPCO 2007

    L_q = -log  exp(q·k₊/τ) / (exp(q·k₊/τ) + Σ exp(q·k₋/τ))     [H20 (1)]    cross-entropy with the positive as label
    θ_k ← m θ_k + (1 - m) θ_q                                    [H20 (2)]    the momentum update
    D(p, z) = - p/‖p‖ · z/‖z‖                                    [X21 (1)]    no negatives: what may collapse

    symbol here        symbol there
    q, k               [H20] query and key: (N, C), each row of unit length, row i of both from the same picture
    queue              [H20] K keys of earlier batches: (K, C); the negatives k₋
    T                  [H20], [C21] τ, the temperature
    m                  [H20] momentum coefficient, [G20] τ

One step of v2, in the order of [H20 Algorithm 1]:

    q, k = moco(x_q, x_k)                   two views of each picture; k without a gradient
    moco.loss(q, k).backward()
    optimizer.step()                        over the parameters that require a gradient: the query encoder's
    moco.update(k)                          momentum, enqueue, dequeue

and of v3, which has no queue: `model(x1, x2).backward(); optimizer.step(); model.update(cosine_momentum(t, steps))`.

Over several processes (`torch.distributed`, one model a rank, gradients averaged by DistributedDataParallel) keys are
gathered from all of them, and a step is that of one process with all rows. Losses are computed in the dtype of q.
"""

import copy
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from quintet.data import fashion_mnist

# ---------------------------------------------------------------------------------------------------------------------
# Ranks


def world() -> int:
    """How many processes train together; 1 where `torch.distributed` is not set up."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if world() > 1 else 0


@torch.no_grad()
def gather(x: Tensor) -> Tensor:
    """The rows of all ranks in the order of the ranks: (N, ...) → (W·N, ...), without a gradient.

    x: the same shape and dtype on all ranks. With one rank it is x, detached. [H20 Algorithm 1] needs no gradient: only
    keys are gathered.
    """
    if world() == 1:
        return x.detach()
    rows = x.new_empty(world() * len(x), *x.shape[1:])
    dist.all_gather_into_tensor(rows, x.detach().contiguous())
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# The loss


def queue_logits(q: Tensor, k: Tensor, queue: Tensor, T: float) -> tuple[Tensor, Tensor]:
    """Logits (N, 1 + K), the positive first, and labels (N,) int64, all 0. [H20 Algorithm 1]

    q, k: (N, C) of unit length. queue: (K, C) of unit length, K ≥ 0: earlier batches only, since a key of this batch
    would be a negative for its own query. T > 0. Raises ValueError where shapes do not fit or T is not positive.
    """
    _same_rows(q, k)
    if queue.dim() != 2 or queue.shape[1] != q.shape[1]:
        raise ValueError(
            f"expected a queue of shape (K, {q.shape[1]}), received {tuple(queue.shape)}: keys are its rows"
        )
    q = q / _positive(T)  # here it costs N·C divisions, on the logits N·(1 + K)
    l_pos = torch.einsum("nc,nc->n", q, k)[:, None]  # (N, 1)
    l_neg = q @ queue.T  # (N, K)
    logits = torch.cat([l_pos, l_neg], dim=1)
    return logits, torch.zeros(len(q), dtype=torch.long, device=q.device)


def batch_logits(q: Tensor, k: Tensor, T: float, first: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (N, M) of each query with all keys of the batch, and labels (N,) int64: first, first + 1, … [C21 Alg. 1]

    q: (N, C), k: (M, C), of unit length. The key of query i is row first + i: with keys gathered from W ranks M = W·N,
    and first = rank·N. T > 0. Raises ValueError where shapes do not fit, keys are too few or T is not positive.
    """
    if q.dim() != 2 or k.dim() != 2 or q.shape[1] != k.shape[1] or not 0 <= first <= len(k) - len(q):
        raise ValueError(
            f"expected (N, C) queries and (M, C) keys with 0 ≤ first ≤ M - N, received {tuple(q.shape)}, "
            f"{tuple(k.shape)} and first = {first}: query i belongs to key first + i"
        )
    return q / _positive(T) @ k.T, torch.arange(first, first + len(q), device=q.device)


def info_nce(q: Tensor, k: Tensor, queue: Tensor, T: float) -> Tensor:
    """[H20 (1)], the mean over the queries: a scalar in nats, log(1 + K) where nothing is told apart.

    Arguments and errors as `queue_logits`. Negatives repel, so a constant q = k is no minimum: it costs log(1 + K).
    """
    return F.cross_entropy(*queue_logits(q, k, queue, T))


def contrast(q: Tensor, k: Tensor, T: float) -> Tensor:
    """One half of v3's loss: 2τ · InfoNCE with the other keys of the batch as negatives. [C21 Algorithm 1, §5 "Loss"]

    q, k: (N, C) of unit length, this rank's; k is gathered here. 2τ keeps the gradient's size as τ changes.
    """
    _same_rows(q, k)
    return 2 * T * F.cross_entropy(*batch_logits(q, gather(k), T, first=rank() * len(q)))


def negative_cosine(p: Tensor, z: Tensor) -> Tensor:
    """D(p, z) of [X21 (1)], the mean over the rows: a scalar from -1 to 1. p, z: (N, C), of any length."""
    _same_rows(p, z)
    return -(F.normalize(p, dim=1) * F.normalize(z, dim=1)).sum(dim=1).mean()


def _same_rows(a: Tensor, b: Tensor) -> None:
    if a.dim() != 2 or a.shape != b.shape:
        raise ValueError(
            f"expected two tensors of one shape (N, C), received {tuple(a.shape)} and {tuple(b.shape)}: "
            "row i of both comes from the same picture"
        )


def _positive(T: float) -> float:
    if not T > 0:
        raise ValueError(f"expected a temperature above 0, received {T}")
    return T


# ---------------------------------------------------------------------------------------------------------------------
# Queue


class Queue(nn.Module):
    """The last `size` keys, oldest overwritten first. [H20 §3.2 "Dictionary as a queue"]

    State, in buffers, so that it moves, is saved and is broadcast with the model: `keys` (size, dim) float32, each row
    of unit length, random until real ones have come, and `pointer` () int64, the row that is overwritten next.
    size ≥ 0, dim ≥ 1.
    Differs from facebookresearch/moco, which holds (dim, size) and takes only batches that divide the size, and from
    lightly, which leaves out what of a batch does not fit before the end: here it goes on at row 0.
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int):
        super().__init__()
        if size < 0 or dim < 1:
            raise ValueError(f"expected a size of at least 0 and at least 1 dimension, received {size} and {dim}")
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, k: Tensor) -> None:
        """Put the keys (N, dim), of unit length, in the place of the N oldest; of more than `size` the last stay.

        In place: call it after backward, which needs the queue as it was. Raises ValueError for another dim.
        """
        size, dim = self.keys.shape
        if k.dim() != 2 or k.shape[1] != dim:
            raise ValueError(f"expected keys of shape (N, {dim}), received {tuple(k.shape)}")
        if size == 0:
            return
        end = self.pointer + len(k)
        last = k[-size:].to(self.keys)
        self.keys[(end - len(last) + torch.arange(len(last), device=k.device)) % size] = last
        self.pointer.copy_(end % size)


# ---------------------------------------------------------------------------------------------------------------------
# Momentum


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy with the same weights that takes no gradient: the key encoder at the start. [H20 Algorithm 1, line 1]"""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def momentum_update(key: nn.Module, query: nn.Module, m: float) -> None:
    """θ_k ← m θ_k + (1 - m) θ_q, in place, for parameters; buffers stay. [H20 (2)]

    Batch norm's running statistics are buffers: the key encoder has made its own, from its own inputs, and they are not
    averaged with the query's. Computed as θ_k + (1 - m)(θ_q - θ_k), so that m = 0 copies, m = 1 keeps, and weights that
    are frozen in both stay the same to the bit. Raises ValueError unless 0 ≤ m ≤ 1 and the parameters match in shape.
    """
    keys, queries = list(key.parameters()), list(query.parameters())
    if not 0 <= m <= 1:
        raise ValueError(f"expected 0 ≤ m ≤ 1, received {m}: m is the share of the key encoder that stays")
    if [p.shape for p in keys] != [p.shape for p in queries]:
        raise ValueError("expected two modules whose parameters have the same shapes: copy one with frozen_copy()")
    torch._foreach_lerp_(keys, queries, 1 - m)


def cosine_momentum(step: int, steps: int, m: float = 0.99) -> float:
    """The momentum at `step` of `steps`: m at 0, 1 at the end, along half a cosine. [G20 §3.3], used by [C21]

    1 - (1 - m)(1 + cos(π step / steps)) / 2. Raises ValueError unless 0 ≤ step ≤ steps, 0 < steps and 0 ≤ m ≤ 1.
    """
    if not (0 <= step <= steps and steps > 0 and 0 <= m <= 1):
        raise ValueError(f"expected 0 ≤ step ≤ steps, 0 < steps and 0 ≤ m ≤ 1, received {step}, {steps} and {m}")
    return 1 - (1 - m) * (1 + math.cos(math.pi * step / steps)) / 2


# ---------------------------------------------------------------------------------------------------------------------
# Shuffled batch norm


@torch.no_grad()
def shuffled(encoder: nn.Module, x: Tensor) -> Tensor:
    """encoder(x), (N, ...) → (N, C), with the rows of all ranks dealt to the ranks anew, and the result dealt back.

    [H20 §3.3] Batch norm mixes the rows of a rank. If query and key are normalised among the same pictures, statistics
    tell which rows belong together, and the loss falls without anything being learned. So the keys are computed in
    another order than the queries. On one rank with ordinary batch norm the order changes nothing but rounding, and
    the leak is there: `split_batchnorm` makes the groups that ranks would be.

    x: the same shape on all ranks. The order is drawn from rank 0's generator.
    """
    n, mine = len(x), slice(rank() * len(x), (rank() + 1) * len(x))
    order = torch.randperm(world() * n, device=x.device)
    if world() > 1:
        dist.broadcast(order, src=0)
    k = gather(encoder(gather(x)[order[mine]]))  # row j is the key of picture order[j]
    return k[torch.argsort(order)][mine]


class SplitBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm that normalises `splits` groups of consecutive rows each on its own: so many ranks, on one.

    x: (N, C, ...), N a multiple of splits while training. In evaluation it is ordinary batch norm. The running
    statistics move towards the mean of the groups' ones. Differs from several ranks, where each keeps its own.
    Options as in torch's. Raises ValueError for N that cannot be divided, or momentum None.
    """

    def __init__(self, num_features: int, splits: int, eps: float = 1e-5, momentum: float = 0.1, **options: Any):
        super().__init__(num_features, eps, momentum, **options)
        if splits < 1 or momentum is None:
            raise ValueError(f"expected at least 1 split and a momentum, received {splits} and {momentum}")
        self.splits = splits

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (N, C, ...), received {tuple(input.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.splits == 1:
            return super().forward(x)
        self._check_input_dim(x)
        if len(x) % self.splits:
            raise ValueError(f"expected a batch that divides into {self.splits} groups, received {len(x)} rows")
        running = (self.running_mean, self.running_var)
        each = [tuple(r if r is None else r.clone() for r in running) for _ in range(self.splits)]
        y = torch.cat([
            F.batch_norm(group, *stats, self.weight, self.bias, True, self.momentum, self.eps)
            for group, stats in zip(x.chunk(self.splits), each, strict=True)
        ])  # fmt: skip
        if self.track_running_stats:
            for r, of_groups in zip(running, zip(*each, strict=True), strict=True):
                r.copy_(torch.stack(of_groups).mean(dim=0))
            self.num_batches_tracked.add_(1)
        return y

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, splits={self.splits}"


def split_batchnorm(module: nn.Module, splits: int) -> nn.Module:
    """A copy of `module` with `SplitBatchNorm` in the place of every batch norm, weights and statistics kept."""
    module = copy.deepcopy(module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return _split(module, splits)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(parent, name, _split(child, splits))
    return module


def _split(bn: nn.modules.batchnorm._BatchNorm, splits: int) -> SplitBatchNorm:
    options = {"affine": bn.affine, "track_running_stats": bn.track_running_stats}
    new = SplitBatchNorm(bn.num_features, splits, bn.eps, bn.momentum, **options)
    for name in (*bn._parameters, *bn._buffers):
        setattr(new, name, getattr(bn, name))  # the tensor itself, with its dtype, device and requires_grad
    return new.train(bn.training)


# ---------------------------------------------------------------------------------------------------------------------
# Networks


def mlp(inputs: int, hidden: int, outputs: int, layers: int = 2, norm: str = "none") -> nn.Sequential:
    """`layers` linear layers with ReLU between them, (N, inputs) → (N, outputs): every head of this family.

        v2 projection      mlp(c, 2048, 128)                            [C20]
        v3 projection      mlp(c, 4096, 256, layers=3, norm="all")      [C21 §5 "MLP heads"]
        v3 prediction      mlp(256, 4096, 256, norm="all")              [C21 §5 "MLP heads"]
        SimSiam            mlp(c, 2048, 2048, layers=3, norm="all"), then mlp(2048, 512, 2048, norm="hidden")
        BYOL               mlp(c, 4096, 256, norm="hidden"), then mlp(256, 4096, 256, norm="hidden")

    norm: batch norm after no layer ("none"), all but the last ("hidden"), or all. Layers before one have no bias.
    Raises ValueError for fewer than one layer or another norm.
    """
    if layers < 1 or norm not in ("none", "hidden", "all"):
        raise ValueError(f'expected layers ≥ 1 and norm "none", "hidden" or "all", received {layers} and {norm!r}')
    sizes = [inputs, *[hidden] * (layers - 1), outputs]
    head = nn.Sequential()
    for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False), start=1):
        normed = norm == "all" or (norm == "hidden" and i < layers)
        head.append(nn.Linear(a, b, bias=not normed))
        if normed:
            head.append(nn.BatchNorm1d(b))
        if i < layers:
            head.append(nn.ReLU(inplace=True))
    return head


def convnet(width: int = 32, channels: int = 1) -> nn.Sequential:
    """Three strided convolutions, which train on a processor: (N, channels, H, W) → (N, 4·width · ⌈H/8⌉ · ⌈W/8⌉).

    For 28×28 a map of 4×4, flattened and not averaged: where pictures are centred, as clothes are, place tells too.
    """
    net = nn.Sequential()
    for a, b in [(channels, width), (width, 2 * width), (2 * width, 4 * width)]:
        net.extend([nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)])
    return net.append(nn.Flatten())


def small_vit(
    image: int = 28,
    patch: int = 7,
    dim: int = 96,
    depth: int = 4,
    heads: int = 3,
    channels: int = 1,
    freeze_patches: bool = True,
) -> nn.Module:
    """timm's VisionTransformer as [C21 §5] has it: (N, channels, image, image) → (N, dim), the class token.

    Fixed sine-cosine positions in two dimensions, Xavier weights with Q, K and V apart, and the projection of the
    patches random and frozen, so that no gradient reaches the first layer, where spikes begin [C21 §4.2]. Both stay in
    `parameters()`, without a gradient. Raises ValueError unless patch divides image and 4 and heads divide dim.
    """
    if image % patch or dim % 4 or dim % heads:
        raise ValueError(
            f"expected a patch that divides the image, and dim a multiple of 4 and of heads; "
            f"received {patch} in {image}, and dim {dim} with {heads} heads"
        )
    from timm.layers import build_sincos2d_pos_embed
    from timm.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(
        image, patch, channels, num_classes=0, embed_dim=dim, depth=depth, num_heads=heads, weight_init="moco"
    )
    project = vit.patch_embed.proj
    bound = math.sqrt(6 / (channels * patch**2 + dim))  # Xavier's, a patch as one vector
    with torch.no_grad():
        vit.pos_embed[0, 1:] = build_sincos2d_pos_embed([image // patch] * 2, dim)  # row 0: the class token's
        vit.pos_embed[0, 0] = 0
        project.weight.uniform_(-bound, bound)
        project.bias.zero_()
    vit.pos_embed.requires_grad_(False)
    project.requires_grad_(not freeze_patches)
    return vit


# ---------------------------------------------------------------------------------------------------------------------
# Models


def _encoder(backbone: nn.Module, head: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))


class MoCoV2(nn.Module):
    """Momentum contrast with a queue and a projection head. [H20 Algorithm 1], [C20]

    backbone: (N, ...) → (N, F). head: (N, F) → (N, dim), such as `mlp(F, 2048, dim)`. Both become parts of `query`;
    `key` is a copy whose weights only `update` changes. K: size of the queue; with 0 the other keys of the batch are
    the negatives. m: momentum; 1 never moves the key encoder, 0 copies the query encoder after each step.
    T: temperature, 0.07 in [H20]. shuffle: compute the keys in another order than the queries, see `shuffled`.
    Errors as the functions that it calls.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        dim: int = 128,
        K: int = 65536,
        m: float = 0.999,
        T: float = 0.2,
        shuffle: bool = True,
    ):
        super().__init__()
        self.m, self.T, self.shuffle = m, T, shuffle
        self.query = _encoder(backbone, head)
        self.key = frozen_copy(self.query)
        self.queue = Queue(K, dim)

    @property
    def backbone(self) -> nn.Module:
        """What is kept after training, and probed: the query encoder without its head."""
        return self.query.backbone

    def forward(self, x_q: Tensor, x_k: Tensor) -> tuple[Tensor, Tensor]:
        """q and k (N, dim), of unit length, from two views (N, ...) of the same pictures; k without a gradient."""
        q = F.normalize(self.query(x_q), dim=1)
        with torch.no_grad():
            k = F.normalize(shuffled(self.key, x_k) if self.shuffle else self.key(x_k), dim=1)
        return q, k

    def logits(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 1 + K) and labels as `queue_logits`; without a queue (N, W·N) as `batch_logits`."""
        if len(self.queue.keys) == 0:
            return batch_logits(q, gather(k), self.T, first=rank() * len(q))
        return queue_logits(q, k, self.queue.keys, self.T)

    def loss(self, q: Tensor, k: Tensor) -> Tensor:
        """InfoNCE [H20 (1)] of what `forward` gave: a scalar, in nats."""
        return F.cross_entropy(*self.logits(q, k))

    def update(self, k: Tensor) -> None:
        """After the optimizer's step: move the key encoder, enqueue the k of `forward`, of all ranks. [H20 Algorithm 1]

        facebookresearch/moco moves it at the start of the next step instead: the same sequence of weights.
        """
        momentum_update(self.key, self.query, self.m)
        self.queue.enqueue(gather(k))


class MoCoV3(nn.Module):
    """Momentum contrast within large batches: no queue, a predictor, a symmetric loss. [C21 Algorithm 1]

    backbone: (N, ...) → (N, F), such as `small_vit()`. head: (N, F) → (N, C) and predictor: (N, C) → (N, C), see `mlp`.
    The predictor is the query's only: the momentum update leaves it out. T: temperature.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, predictor: nn.Module, T: float = 0.2):
        super().__init__()
        self.T = T
        self.query = _encoder(backbone, head)
        self.predictor = predictor
        self.key = frozen_copy(self.query)

    @property
    def backbone(self) -> nn.Module:
        return self.query.backbone

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """ctr(q1, k2) + ctr(q2, k1), a scalar, for two views (N, ...) of the same pictures."""
        q1, q2 = (F.normalize(self.predictor(self.query(x)), dim=1) for x in (x1, x2))
        with torch.no_grad():
            k1, k2 = (F.normalize(self.key(x), dim=1) for x in (x1, x2))
        return contrast(q1, k2, self.T) + contrast(q2, k1, self.T)

    def update(self, m: float) -> None:
        """After the optimizer's step: move the key encoder, with m from `cosine_momentum`."""
        momentum_update(self.key, self.query, m)


class Siamese(nn.Module):
    """No negatives: two views shall agree, and whether they do so by being constant hangs on three switches.

    (D(p1, z2) + D(p2, z1)) / 2 [X21 (2)] with p = predictor(z) and z = head(backbone(x)).

    stop_gradient: z is a target that takes no gradient [X21 (3)]. predictor: None for none, then p = z. m: None for
    targets from the same encoder (SimSiam), else from a momentum copy (BYOL) that `update` moves. SimSiam is
    `Siamese(backbone, head, predictor)`; without stop-gradient or without predictor it collapses [X21 §4.1, §4.2],
    within a hundred steps where the head ends without batch norm, and far more slowly where it ends with it.
    Raises ValueError for m without stop_gradient: a momentum copy takes no gradient.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        predictor: nn.Module | None = None,
        stop_gradient: bool = True,
        m: float | None = None,
    ):
        super().__init__()
        if m is not None and not stop_gradient:
            raise ValueError("a momentum encoder takes no gradient: set stop_gradient, or leave m None")
        self.stop_gradient, self.m = stop_gradient, m
        self.query = _encoder(backbone, head)
        self.predictor = nn.Identity() if predictor is None else predictor
        self.key = None if m is None else frozen_copy(self.query)

    @property
    def backbone(self) -> nn.Module:
        return self.query.backbone

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The loss, a scalar from -1 to 1, for two views (N, ...) of the same pictures."""
        z1, z2 = (self.query(x) for x in (x1, x2))
        p1, p2 = (self.predictor(z) for z in (z1, z2))
        if self.key is not None:
            with torch.no_grad():
                z1, z2 = (self.key(x) for x in (x1, x2))
        if self.stop_gradient:
            z1, z2 = z1.detach(), z2.detach()
        return (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2

    def update(self) -> None:
        """After the optimizer's step: moves the momentum encoder where there is one."""
        if self.key is not None:
            momentum_update(self.key, self.query, self.m)


# ---------------------------------------------------------------------------------------------------------------------
# Gauges of collapse


@torch.no_grad()
def spread(z: Tensor) -> float:
    """Mean over the channels of the standard deviation of z/‖z‖, z (N, C): 0 where all rows point one way, about 1/√C
    where they fill the sphere evenly. [X21 §4.1]"""
    return F.normalize(z, dim=1).std(dim=0, correction=0).mean().item()


@torch.no_grad()
def effective_rank(z: Tensor) -> float:
    """How many directions the rows of z/‖z‖ use, z (N, C): exp of the entropy of the singular values as shares. [RV07]

    From 1, where all rows are parallel, to min(N, C). Not centred, so that a constant counts as one direction. 0 where
    z is all zeros.
    """
    singular = torch.linalg.svdvals(F.normalize(z, dim=1).double())
    shares = singular / singular.sum().clamp_min(torch.finfo(torch.float64).tiny)
    entropy = -torch.special.xlogy(shares, shares).sum()
    return entropy.exp().item() if shares.sum() > 0 else 0.0


@torch.no_grad()
def alignment(a: Tensor, b: Tensor) -> float:
    """Mean squared distance of a/‖a‖ and b/‖b‖, (N, C) each, views of the same pictures; 0 where they agree.
    [WI20 §4.1]"""
    _same_rows(a, b)
    return (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(dim=1).mean().item()


@torch.no_grad()
def uniformity(z: Tensor, t: float = 2.0) -> float:
    """log of the mean of exp(-t d²) over all pairs of rows of z/‖z‖, z (N, C), N ≥ 2: 0 where all are one point, lower
    the more evenly they cover the sphere, not below -4t. [WI20 §4.1] Takes N²/2 numbers of memory."""
    squares = torch.pdist(F.normalize(z, dim=1)).square()
    return (torch.logsumexp(-t * squares, dim=0) - math.log(len(squares))).item()


# ---------------------------------------------------------------------------------------------------------------------
# Probes


@contextmanager
def evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """Within, every part is in evaluation mode and nothing is recorded; then each is as it was."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield module
    finally:
        for part, training in modes:
            part.training = training


def features(encoder: nn.Module, x: Tensor, batch: int = 512) -> Tensor:
    """encoder(x), (N, ...) → (N, F), in batches and in evaluation mode: a row depends on its own picture only.

    In train mode batch norm would use, and move, the statistics of the batch that is probed.
    """
    with evaluating(encoder):
        return torch.cat([encoder(rows).flatten(1) for rows in x.split(batch)])


@torch.no_grad()
def knn_predict(bank: Tensor, labels: Tensor, z: Tensor, k: int = 200, T: float = 0.07) -> Tensor:
    """The class (N,) of each row of z (N, F) by the vote of its k nearest in bank (M, F), by cosine. [W18 §3.4]

    labels: (M,) int64 from 0. A neighbour's vote weighs exp(similarity / T). Raises ValueError unless 1 ≤ k ≤ M.
    """
    if not 1 <= k <= len(bank):
        raise ValueError(f"expected 1 ≤ k ≤ {len(bank)}, the size of the bank, received {k}")
    bank, classes = F.normalize(bank, dim=1), int(labels.max()) + 1
    predicted = []
    for rows in F.normalize(z, dim=1).split(512):
        similarity, nearest = (rows @ bank.T).topk(k, dim=1)  # (n, k), largest first
        weights = ((similarity - similarity[:, :1]) / T).exp()  # all of a row scaled by one number: finite for every T
        votes = weights.new_zeros(len(rows), classes).scatter_add_(1, labels[nearest], weights)
        predicted.append(votes.argmax(dim=1))
    return torch.cat(predicted)


def knn_probe(bank: Tensor, bank_labels: Tensor, z: Tensor, labels: Tensor, k: int = 200, T: float = 0.07) -> float:
    """Share of the rows of z whose class `knn_predict` finds: from 0 to 1. Shapes and errors as there."""
    return (knn_predict(bank, bank_labels, z, k, T) == labels).double().mean().item()


def linear_probe(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    C: Sequence[float] = (0.001, 0.01, 0.1),
) -> float:
    """Share of the test rows that a linear classifier of frozen features gets right: from 0 to 1.

    train, test: (N, F), scaled to mean 0 and deviation 1 over the training rows. The classifier is scikit-learn's
    LogisticRegression. C: inverse strengths of its L2 penalty to choose from, for each representation its own: which
    does best on a fifth of the training rows, held out; then all of them are fitted. With one, nothing is held out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fitted(c: float, x: Any, y: Any) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)).fit(x, y)

    x, y, x_test, y_test = (t.cpu().numpy() for t in (train, train_labels, test, test_labels))
    if len(C) > 1:
        x_fit, x_held, y_fit, y_held = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
        best = max(C, key=lambda c: fitted(c, x_fit, y_fit).score(x_held, y_held))
    else:
        (best,) = C
    return float(fitted(best, x, y).score(x_test, y_test))


# ---------------------------------------------------------------------------------------------------------------------
# Two views of a picture
#
# torchvision's transforms draw once a call, so for a batch they would have to be called once a picture. These draw for
# each picture of a batch and then work on all at once; as theirs, from torch's global generator.


class CropEach(v2.Transform):
    """v2.RandomResizedCrop with a box for each picture: (N, C, H, W) floats → the same shape, bilinear.

    scale: of the box's area, as a share of the picture's. ratio: of its width to its height, log-uniform. Differs from
    v2: a side that would be longer than the picture's is cut, not drawn anew.
    """

    def __init__(self, scale: tuple[float, float] = (0.3, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)):
        super().__init__()
        self.scale, self.ratio = scale, ratio

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        (n, _, height, width), device = flat_inputs[0].shape, flat_inputs[0].device
        area = torch.empty(n, device=device).uniform_(*self.scale) * height * width
        root = torch.empty(n, device=device).uniform_(*map(math.log, self.ratio)).exp().sqrt()
        w = (area.sqrt() * root).round().clamp(1, width)
        h = (area.sqrt() / root).round().clamp(1, height)
        left = (torch.rand(n, device=device) * (width - w + 1)).floor()
        top = (torch.rand(n, device=device) * (height - h + 1)).floor()
        return {"left": left, "top": top, "w": w, "h": h}  # (N,) each, whole pixels

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        n, _, height, width = inpt.shape
        x = _points(params["left"], params["w"], width).to(inpt.dtype)[:, None, :].expand(n, height, width)
        y = _points(params["top"], params["h"], height).to(inpt.dtype)[:, :, None].expand(n, height, width)
        return F.grid_sample(inpt, torch.stack([x, y], dim=-1), align_corners=False)


def _points(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Where `size` new pixels lie on `length` old ones from `start`, (N,) each: (N, size), -1 to 1 over the picture."""
    new = (torch.arange(size, device=start.device) + 0.5) * length[:, None] / size - 0.5
    old = start[:, None] + new.clamp_min(0).minimum(length[:, None] - 1)  # no further than the box's outer pixels
    return (2 * old + 1) / size - 1


class FlipEach(v2.Transform):
    """v2.RandomHorizontalFlip with a coin for each picture of (N, C, H, W)."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        x = flat_inputs[0]
        return {"flip": torch.rand(len(x), 1, 1, 1, device=x.device) < self.p}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        return torch.where(params["flip"], inpt.flip(-1), inpt)


class JitterEach(v2.Transform):
    """v2.ColorJitter's brightness, then contrast, for grey floats (N, 1, H, W) from 0 to 1, each picture its own.

    Factors are uniform between 1 - x and 1 + x. Differs from v2, which draws the order too.
    """

    def __init__(self, brightness: float = 0.4, contrast: float = 0.4):
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        x = flat_inputs[0]

        def factor(by: float) -> Tensor:
            return torch.empty(len(x), 1, 1, 1, device=x.device).uniform_(max(0.0, 1 - by), 1 + by)

        return {"brightness": factor(self.brightness), "contrast": factor(self.contrast)}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        x = (inpt * params["brightness"]).clamp(0, 1)
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        return torch.lerp(mean, x, params["contrast"]).clamp(0, 1)


class TwoCrops(nn.Module):
    """Two views of each picture, drawn apart: (N, 1, H, W), uint8 or floats from 0 to 1, → two float32 (N, 1, H, W).

    Crop, flip, brightness and contrast, then normalised as `fashion_mnist.normalise` does. Differs from [C20]: no blur,
    which removes what little 28 pixels have, and no colours. augment: another transform of a batch in their place.
    Raises ValueError for other shapes.
    """

    def __init__(self, augment: nn.Module | None = None):
        super().__init__()
        self.augment = augment or v2.Compose([
            v2.ToDtype(torch.float32, scale=True),
            CropEach(),
            FlipEach(),
            JitterEach(),
            v2.Normalize([fashion_mnist.MEAN], [fashion_mnist.STD]),
        ])  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.dim() != 4 or x.shape[1] != 1:
            raise ValueError(
                f"expected grey pictures (N, 1, H, W), received {tuple(x.shape)}: add the channel with x[:, None]"
            )
        return self.augment(x), self.augment(x)
