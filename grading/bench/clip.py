"""A training step and its loss beside open_clip's, with the same weights, pictures and captions, in fp32."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quintet import clip
from quintet_grading.bench import Side, bench

BATCH = 32
DIM = 64
VISION = clip.Vision(image=32, patch=4, width=128, layers=4, heads=4)


def agree(ours: Any, theirs: Any) -> None:
    """Both sides have taken as many steps, and AdamW's are small: they differ by rounding, in logits of at most 15."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)


def captions(context: int, shortest: int) -> Tensor:
    """Random captions (BATCH, context) of `shortest` to `context` tokens, padded."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(3, clip.VOCAB, (BATCH, context), generator=generator)
    length = torch.randint(shortest, context + 1, (BATCH,), generator=generator)
    at = torch.arange(context)
    text[:, 0] = clip.START
    return text.where(at < length[:, None] - 1, torch.where(at == length[:, None] - 1, clip.END, clip.PAD))


def steps(text: Tensor, context: int, ours_text: Tensor) -> tuple[Side, Side]:
    from open_clip.loss import ClipLoss
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    torch.manual_seed(0)
    sizes = clip.Text(context=context, width=128, layers=4, heads=4)
    model = clip.Clip(DIM, VISION, sizes)
    peer = CLIP(
        DIM,
        CLIPVisionCfg(layers=4, width=128, head_width=32, patch_size=4, image_size=32),
        CLIPTextCfg(context, clip.VOCAB, width=128, heads=4, layers=4, eos_id=clip.END, pool_type="eos"),
    )
    peer.load_state_dict(copy.deepcopy(model.state_dict()))
    images = torch.randn(BATCH, 3, 32, 32)
    mine, theirs = clip.adamw(model, lr=1e-5), clip.adamw(peer, lr=1e-5)
    peer_loss = ClipLoss()

    def peer_step() -> Tensor:
        theirs.zero_grad(set_to_none=True)
        loss = peer_loss(*peer(images, text))
        loss.backward()
        theirs.step()
        with torch.no_grad():
            peer.logit_scale.clamp_(0, 4.6052)
        return loss.detach()

    return lambda: clip.train_step(model, mine, images, ours_text), peer_step


@bench(peer="open_clip", bar=1.0, agree=agree, seconds=60.0)
def step():
    """32 pairs, 1.7 million weights, captions that fill the context of 32 tokens: both sides do the same work."""
    text = captions(32, shortest=32)
    return steps(text, 32, text)


@bench(peer="open_clip", agree=agree, seconds=60.0)
def step_padded():
    """Captions of 8 to 24 tokens in a context of 64. Ours takes them as long as the longest, which changes nothing
    under a causal mask; open_clip's text transformer takes a full context only."""
    text = F.pad(captions(24, shortest=8), (0, 40), value=clip.PAD)
    return steps(text, 64, text[:, :24])


@bench(peer="open_clip ClipLoss", bar=1.0)
def loss():
    """The loss and its gradients alone, of 1,024 pairs of 512 features."""
    from open_clip.loss import ClipLoss

    torch.manual_seed(0)
    inputs = [F.normalize(torch.randn(1024, 512), dim=-1).requires_grad_() for _ in range(2)]
    inputs.append(torch.tensor(1 / 0.07, requires_grad=True))

    def side(function: Any) -> Side:
        def run() -> tuple[Tensor, ...]:
            value = function(*inputs)
            return value.detach(), *torch.autograd.grad(value, inputs)

        return run

    return side(clip.clip_loss), side(ClipLoss())
