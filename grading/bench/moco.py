"""MoCo v2 beside lightly's parts: the loss with a queue of 65,536 keys, and a whole step of a small network."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quintet import moco
from quintet_grading.bench import Side, bench

ROWS, DIM, K, T = 256, 128, 65536, 0.2  # the paper's batch and queue


def agree(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    """The loss, the gradients and the queue, each to 3e-5 of its largest entry; 2e-7 is seen for the loss alone, and
    4e-6 in a step, where the orders of the keys' rows are drawn apart and batch norm's sums round differently.
    """
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=3e-5 * b.abs().max().item())


@bench(peer="lightly NTXentLoss", bar=1.0, agree=agree)
def loss() -> tuple[Side, Side]:
    """Normalise, InfoNCE, backward to the projections, enqueue: 256 queries, 65,536 keys of 128 numbers, fp32."""
    from lightly.loss import NTXentLoss

    torch.manual_seed(0)
    out_q, out_k = torch.randn(ROWS, DIM), torch.randn(ROWS, DIM)
    queue, peer = moco.Queue(K, DIM), NTXentLoss(T, (K, DIM))
    peer.memory_bank.bank.copy_(queue.keys)
    one, other = (out_q.clone().requires_grad_() for _ in range(2))

    def ours() -> tuple[Tensor, ...]:
        one.grad = None
        q, k = F.normalize(one, dim=1), F.normalize(out_k, dim=1)
        value = moco.info_nce(q, k, queue.keys, T)
        value.backward()
        queue.enqueue(k)
        return value.detach(), one.grad, queue.keys

    def theirs() -> tuple[Tensor, ...]:
        other.grad = None
        value = peer(other, out_k)
        value.backward()
        return value.detach(), other.grad, peer.memory_bank.bank

    return ours, theirs


def optimizer(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, 1e-3, momentum=0.9)


@bench(peer="lightly", bar=1.0, agree=agree)
def step() -> tuple[Side, Side]:
    """A step of training on 256 pairs of 28×28 views, fp32: forward, backward, SGD, momentum update, queue.

    The same network, weights, views and optimizer on both sides; lightly's is made of its parts as in its documentation
    (update_momentum for network and head, batch_shuffle, NTXentLoss with memory bank).
    """
    from lightly.loss import NTXentLoss
    from lightly.models import utils

    torch.manual_seed(0)
    model = moco.MoCoV2(moco.convnet(32), moco.mlp(2048, 256, DIM), DIM, K=K, T=T)
    backbone, head = copy.deepcopy(model.query)
    slow_backbone, slow_head = copy.deepcopy(backbone), copy.deepcopy(head)
    for slow in (slow_backbone, slow_head):
        utils.deactivate_requires_grad(slow)
    peer = NTXentLoss(T, (K, DIM))
    peer.memory_bank.bank.copy_(model.queue.keys)
    x_q, x_k = torch.randn(ROWS, 1, 28, 28), torch.randn(ROWS, 1, 28, 28)
    sgd, sgd_peer = optimizer(model.query.parameters()), optimizer([*backbone.parameters(), *head.parameters()])

    def seen(value: Tensor, network: nn.Module, keys: Tensor) -> tuple[Tensor, ...]:
        return value.detach(), *(p.grad for p in network.parameters()), keys

    def ours() -> tuple[Tensor, ...]:
        q, k = model(x_q, x_k)
        value = model.loss(q, k)
        sgd.zero_grad()
        value.backward()
        sgd.step()
        model.update(k)
        return seen(value, model.query, model.queue.keys)

    def theirs() -> tuple[Tensor, ...]:
        utils.update_momentum(backbone, slow_backbone, 0.999)
        utils.update_momentum(head, slow_head, 0.999)
        with torch.no_grad():
            shuffled, order = utils.batch_shuffle(x_k)
            k = utils.batch_unshuffle(slow_head(slow_backbone(shuffled)), order)
        value = peer(head(backbone(x_q)), k)
        sgd_peer.zero_grad()
        value.backward()
        sgd_peer.step()
        return seen(value, nn.Sequential(backbone, head), peer.memory_bank.bank)

    return ours, theirs
