"""`quintet.clip` is right: against open_clip with the same weights and features, by properties, and by hand.

Tolerances: in fp64, 1e-12 stands for sums of at most a few thousand terms of order 1. In fp32, features are compared to
1e-5 and losses to 1e-6 of their size, as open_clip takes the same steps in another order.
"""

import copy
import itertools
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from open_clip.model import (
    CLIP,
    CLIPTextCfg,
    CLIPVisionCfg,
    build_model_from_openai_state_dict,
    convert_weights_to_lp,
)
from open_clip.zero_shot_classifier import build_zero_shot_classifier

from quintet import clip
from quintet.data import emoji_captions
from quintet.launch import launch

# Every dimension another size, so that a transpose fails.
VISION = clip.Vision(image=15, patch=5, width=24, layers=2, heads=3)
TEXT = clip.Text(context=11, vocab=40, end=2, width=20, layers=3, heads=5)
DIM = 7


def model(seed=0, quick_gelu=False, dtype=torch.float32, text=TEXT):
    torch.manual_seed(seed)
    return clip.Clip(DIM, VISION, text, quick_gelu).to(dtype)


def peer(quick_gelu=False):
    vision = CLIPVisionCfg(layers=2, width=24, head_width=8, patch_size=5, image_size=15)
    text = CLIPTextCfg(context_length=11, vocab_size=40, width=20, heads=5, layers=3, eos_id=2, pool_type="eos")
    return CLIP(DIM, vision, text, quick_gelu=quick_gelu)


def trained_a_little(net):
    """In place: with no bias left at 0 and no gain at 1."""
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn_like(p)
    return net


def pairs(n, seed=0, dtype=torch.float32):
    """Pictures, and captions of the full context with their end somewhere and anything but an end behind it."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 3, 15, 15, generator=generator, dtype=dtype)
    text = torch.randint(3, 40, (n, 11), generator=generator)
    text[:, 0] = 1
    text[torch.arange(n), torch.randint(1, 11, (n,), generator=generator)] = 2
    return images, text


def features(n, dim=9, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, n, dim, generator=generator, dtype=dtype)
    return [x.clone().requires_grad_() for x in F.normalize(drawn, dim=-1)]


def gradients(loss, inputs):
    return torch.autograd.grad(loss, inputs)


# ---------------------------------------------------------------------------------------------------------------------
# Captions as tokens


def test_tokens_by_hand():
    text = clip.tokenize(["Ab", " c \n d ", "猫"])
    a = 3 + ord("a")
    cat = [3 + byte for byte in b"\xe7\x8c\xab"]
    assert text.tolist() == [[1, a, a + 1, 2, 0], [1, a + 2, 3 + 32, a + 3, 2], [1, *cat, 2]]
    assert text.dtype == torch.int64


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_tokens_are_the_text_again(texts):
    tokens = clip.tokenize(texts, context=300)
    assert tokens.max() < clip.VOCAB and tokens.shape[1] <= 300
    assert (tokens == clip.END).sum(1).eq(1).all() and (tokens[:, 0] == clip.START).all()
    once = clip.detokenize(tokens)
    assert clip.detokenize(clip.tokenize(once, context=300)) == once
    assert [t.casefold().split() for t in texts if t.isascii()] == [
        o.split() for o, t in zip(once, texts, strict=True) if t.isascii()
    ]


def test_a_long_caption_is_refused_or_cut_between_characters():
    with pytest.raises(ValueError, match="at most 4 bytes, received 6.*truncate=True"):
        clip.tokenize(["ok", "熊猫"], context=6)
    cut = clip.tokenize(["ok", "熊猫"], context=6, truncate=True)
    assert clip.detokenize(cut) == ["ok", "熊"] and (cut == clip.END).any(1).all()
    with pytest.raises(ValueError, match="received 0 and 64"):
        clip.tokenize([])
    with pytest.raises(ValueError, match="received 1 and 1"):
        clip.tokenize(["a"], context=1)


# ---------------------------------------------------------------------------------------------------------------------
# Transformers


@pytest.mark.parametrize("quick_gelu", [False, True])
def test_features_and_gradients_are_open_clips(quick_gelu):
    ours, theirs = trained_a_little(model(quick_gelu=quick_gelu)), peer(quick_gelu)
    theirs.load_state_dict(ours.state_dict())
    images, text = pairs(6)
    found, expected = ours(images, text), theirs(images, text)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert (found[0] - model(1, quick_gelu)(images, text)[0]).abs().max() > 0.1, "other weights, other features"
    clip.clip_loss(*found).backward()
    ClipLoss()(*expected).backward()
    grads = {name: p.grad for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        torch.testing.assert_close(p.grad, grads[name], rtol=1e-4, atol=1e-5, msg=name)


def test_quick_gelu_is_another_function():
    images, text = pairs(3)
    assert (model()(images, text)[0] - model(quick_gelu=True)(images, text)[0]).abs().max() > 1e-4


def test_the_weights_have_openais_names():
    block = ["attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias"]
    block += [f"{layer}.{kind}" for layer in ("ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj") for kind in ("weight", "bias")]
    names = {f"visual.transformer.resblocks.{i}.{w}" for i in range(2) for w in block}
    names |= {f"transformer.resblocks.{i}.{w}" for i in range(3) for w in block}
    names |= {f"visual.{n}" for n in ("conv1.weight", "class_embedding", "positional_embedding", "proj")}
    names |= {
        f"{layer}.{kind}" for layer in ("visual.ln_pre", "visual.ln_post", "ln_final") for kind in ("weight", "bias")
    }
    names |= {"positional_embedding", "token_embedding.weight", "text_projection", "logit_scale"}
    assert set(model().state_dict()) == names
    assert {k: v.shape for k, v in model().state_dict().items()} == {k: v.shape for k, v in peer().state_dict().items()}


def test_a_state_dict_as_openai_released_it_loads():
    """Weights of layers in fp16, three numbers among them, QuickGELU, and the end the last of the vocabulary."""
    torch.manual_seed(3)
    vision = CLIPVisionCfg(layers=2, width=128, head_width=64, patch_size=5, image_size=20)
    text = CLIPTextCfg(context_length=9, vocab_size=50, width=64, heads=1, layers=3)
    trained = trained_a_little(CLIP(12, vision, text, quick_gelu=True))
    convert_weights_to_lp(trained)
    numbers = {"input_resolution": 20, "context_length": 9, "vocab_size": 50}
    released = {**trained.state_dict(), **{k: torch.tensor(v) for k, v in numbers.items()}}
    assert released["visual.proj"].dtype == torch.float16 and released["ln_final.bias"].dtype == torch.float32

    ours = clip.Clip.from_openai(released)
    theirs = build_model_from_openai_state_dict(dict(released), cast_dtype=torch.float32).float()
    images = torch.randn(4, 3, 20, 20)
    tokens = torch.randint(1, 49, (4, 9))
    tokens[:, 5], tokens[:, 6:] = 49, 0
    for a, b in zip(ours(images, tokens), theirs(images, tokens), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert all(p.dtype == torch.float32 for p in ours.parameters())
    assert (ours.visual.size, ours.text_size) == (
        clip.Vision(20, 5, 128, 2, 2), clip.Text(9, 50, 49, 64, 3, 1)
    )  # fmt: skip

    with pytest.raises(RuntimeError, match="vision transformer, without 'visual.conv1.weight'"):
        clip.Clip.from_openai({k: v for k, v in released.items() if k != "visual.conv1.weight"})
    with pytest.raises(RuntimeError, match="ln_final.bias"):
        clip.Clip.from_openai({k: v for k, v in released.items() if k != "ln_final.bias"})


def test_a_later_token_never_changes_what_an_earlier_one_is():
    """The gradient of a caption's feature is exactly 0 for every token after its end, and for none up to it."""
    net, (_, text) = model(dtype=torch.float64), pairs(5, dtype=torch.float64)
    seen = []
    net.token_embedding.register_forward_hook(lambda module, args, out: seen.append(out.retain_grad() or out))
    net.encode_text(text)[:, 0].sum().backward()
    reached = seen[0].grad.abs().sum(-1) > 0  # (B, L)
    end = (text == 2).int().argmax(-1)
    assert end.min() < 8, "something stands behind an end"
    assert torch.equal(reached, torch.arange(11) <= end[:, None])


def test_padding_changes_nothing():
    net = model(text=clip.Text(context=20, width=20, layers=2, heads=5))
    texts = ["a", "a house", "three words here"]
    together = net.encode_text(clip.tokenize(texts, 20))
    for text, feature in zip(texts, together, strict=True):
        alone = net.encode_text(clip.tokenize([text], 20))
        torch.testing.assert_close(alone[0], feature, rtol=0, atol=1e-6)
    full = F.pad(clip.tokenize(texts, 20), (0, 2))
    assert full.shape[1] == 20
    torch.testing.assert_close(net.encode_text(full), together, rtol=0, atol=1e-6)


def test_the_end_is_found_by_its_id():
    x = torch.arange(24.0).view(3, 4, 2)
    text = torch.tensor([[1, 9, 2, 0], [1, 2, 7, 2], [1, 9, 9, 9]])  # the highest id is elsewhere; two ends; none
    pooled = clip.end_of_text(x, text, 2)
    assert pooled[:2].tolist() == [[4.0, 5.0], [10.0, 11.0]]
    assert pooled[2].isnan().all()
    argmax = x[torch.arange(3), text.argmax(-1)]
    assert (argmax[:2] != pooled[:2]).all(), "where that is right, this test shows nothing"


def test_a_caption_without_end_is_loud_and_spoils_no_other():
    net, (_, text) = model(), pairs(3)
    text[1] = text[1].where(text[1] != 2, 5)
    assert net.encode_text(text).isnan().all(1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: clip.VisionTransformer(clip.Vision(image=30, patch=4), 8), "tile a picture of 30 pixels, received 4"),
        (lambda: clip.TextTransformer(clip.Text(width=10, heads=4), 8), "received 10 and 4"),
        (lambda: model().encode_image(torch.zeros(2, 3, 16, 15)), r"\(B, 3, 15, 15\), received \(2, 3, 16, 15\)"),
        (lambda: model().encode_text(torch.ones(2, 12, dtype=torch.long)), "at most 11 tokens a caption, received 12"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_features_have_length_1_and_the_scale_begins_at_1_over_007():
    image, text, scale = model()(*pairs(4))
    torch.testing.assert_close(torch.cat([image, text]).norm(dim=-1), torch.ones(8))
    assert scale.item() == pytest.approx(1 / 0.07)


def test_copies_are_independent():
    net, inputs = model(), pairs(2)
    before = [x.clone() for x in net(*inputs)]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with torch.no_grad():
            for p in twin.parameters():
                p.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, net(*inputs), strict=True))


def test_it_runs_in_bfloat16_under_autocast():
    """Rounding to 2^-9 in some ten layers one after the other: a few per cent."""
    net, inputs = model(), pairs(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image, text, scale = net(*inputs)
        loss = clip.clip_loss(image, text, scale)
    assert loss.dtype == torch.float32
    for a, b in zip((image, text), net(*inputs), strict=False):
        torch.testing.assert_close(a.float(), b, rtol=0, atol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_the_same():
    net, (images, text) = model(dtype=torch.float64), pairs(6, dtype=torch.float64)
    text[4] = text[4].where(text[4] != 2, 5)  # without an end
    on_cpu, on_gpu = net(images, text), copy.deepcopy(net).cuda()(images.cuda(), text.cuda())
    for a, b in zip(on_cpu, on_gpu, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=0, atol=1e-10, equal_nan=True)
    assert on_gpu[1].isnan().all(1).tolist() == [False] * 4 + [True, False]
    image, caption = (x[:4] for x in on_cpu[:2])
    similarity, same, whose = torch.zeros(4, 5), torch.tensor([0, 1, 0, 2]), torch.eye(4, 5).bool()
    losses = [clip.clip_loss(image.to(d), caption.to(d), 9.0, same.to(d)).item() for d in ("cpu", "cuda")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-10)
    assert clip.recall_at_k(similarity.cuda(), whose.cuda(), 2).tolist() == pytest.approx([0.4] * 4)


# ---------------------------------------------------------------------------------------------------------------------
# The loss


def test_loss_by_hand():
    """Logits [[ln 3, 0], [0, 0]]: rows lose ln 4/3 and ln 2, and so do columns."""
    image, text = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert clip.clip_loss(image, text, math.log(3)).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


@given(st.integers(1, 40), st.integers(1, 30), st.floats(0.01, 100), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_loss_and_gradients_are_open_clips(n, dim, scale, seed):
    for dtype, exact in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        image, text = features(n, dim, seed, dtype)
        s = torch.tensor(scale, dtype=dtype, requires_grad=True)
        ours, theirs = clip.clip_loss(image, text, s), ClipLoss()(image, text, s)
        # logits of size s carry roundings of s · eps each; up to s = 14, where training begins, that is below 1e-6
        size = max(1.0, theirs.item(), scale / 14)
        assert abs(ours.item() - theirs.item()) <= exact * size
        for a, b in zip(gradients(ours, (image, text, s)), gradients(theirs, (image, text, s)), strict=True):
            torch.testing.assert_close(a, b, rtol=100 * exact, atol=10 * exact * max(1.0, scale))


def test_both_directions_count():
    image, text = features(6)
    one, other = (F.cross_entropy(x, torch.arange(6)) for x in (5 * image @ text.T, 5 * text @ image.T))
    assert abs(one - other) > 1e-3, "the directions differ"
    loss = clip.clip_loss(image, text, 5.0)
    torch.testing.assert_close(loss, (one + other) / 2)
    torch.testing.assert_close(loss, clip.clip_loss(text, image, 5.0))


def test_loss_at_its_ends():
    image, text = features(5)
    assert clip.clip_loss(image[:1], text[:1], 100.0).item() == 0, "one pair has no negative"
    same = image[:1].expand(5, -1)
    assert clip.clip_loss(same, same, 100.0).item() == pytest.approx(math.log(5)), "all alike: chance"
    eye = torch.eye(5).requires_grad_()
    loss = clip.clip_loss(eye, torch.eye(5), 100.0)
    assert loss.item() == 0 and gradients(loss, [eye])[0].isfinite().all()
    worst = clip.clip_loss(eye, torch.eye(5).roll(1, 0), 100.0)
    assert worst.item() == pytest.approx(100) and gradients(worst, [eye])[0].isfinite().all()


def test_the_same_caption_is_no_negative():
    image, text = features(6, dtype=torch.float64)
    caption = torch.tensor([3, 8, 3, 1, 8, 3])
    logits, total = 7.0 * image @ text.T, 0.0
    for i in range(6):
        others = [j for j in range(6) if j == i or caption[j] != caption[i]]
        total += logits[i, others].logsumexp(0) + logits[others, i].logsumexp(0) - 2 * logits[i, i]
    loss = clip.clip_loss(image, text, 7.0, caption)
    torch.testing.assert_close(loss, total / 12, rtol=0, atol=1e-12)
    plain = clip.clip_loss(image, text, 7.0)
    assert plain - loss > 0.1
    assert torch.equal(clip.clip_loss(image, text, 7.0, torch.arange(6)), plain)
    assert clip.clip_loss(image, text, 7.0, torch.zeros(6)).item() == 0


@pytest.mark.parametrize(
    ("shapes", "caption"),
    [(((3, 4), (4, 4)), None), (((3,), (3,)), None), (((0, 4), (0, 4)), None), (((3, 4),) * 2, 2)],
)
def test_what_is_no_pair_is_refused(shapes, caption):
    image, text = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match="features of pairs|for each of 3 captions"):
        clip.clip_loss(image, text, 1.0, None if caption is None else torch.zeros(caption))


WORLD, SHARE = 2, 5


def on_a_rank(tiny, images, text, caption):
    """On each rank: for every form the loss of its share, and the gradient that averaging over ranks leaves."""
    import torch.distributed as dist

    rank = dist.get_rank()
    own = slice(rank * SHARE, (rank + 1) * SHARE)
    found = {}

    def note(name, loss):
        grads = torch.autograd.grad(loss, list(tiny.parameters()))
        flat = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(flat)
        found[name] = loss.item(), flat / WORLD

    for local in (True, False):
        theirs = ClipLoss(local_loss=local, gather_with_grad=True, rank=rank, world_size=WORLD)
        note(("open_clip", local), theirs(*tiny(images[own], text[own])))
        for named in (None, caption[own]):
            loss = clip.gathered_clip_loss(*tiny(images[own], text[own]), named, local=local)
            note(("plain" if named is None else "captions", local), loss)
    return found


@pytest.mark.slow
def test_gathered_losses_are_open_clips_and_those_of_one_process():
    tiny = model(dtype=torch.float64)
    images, text = pairs(WORLD * SHARE, dtype=torch.float64)
    caption = torch.tensor([0, 1, 2, 3, 4, 0, 6, 7, 2, 6])  # the same ones on both ranks, and on one
    results = launch(on_a_rank, WORLD, (tiny, images, text, caption), seconds=300)
    for name, named in (("plain", None), ("captions", caption), ("open_clip", None)):
        whole = clip.clip_loss(*tiny(images, text), named)
        grads = torch.cat([g.reshape(-1) for g in gradients(whole, list(tiny.parameters()))])
        assert grads.abs().max() > 0.1
        for local in (True, False):
            losses = [found[name, local][0] for found in results]
            assert sum(losses) / WORLD == pytest.approx(whole.item(), abs=1e-12), (name, local)
            assert (abs(losses[0] - losses[1]) > 1e-3) == local, "a rank's own rows, or the whole loss on each"
            for found, peers in zip(results, losses, strict=True):
                torch.testing.assert_close(found[name, local][1], grads, rtol=0, atol=1e-10, msg=f"{name} {local}")
                if name == "open_clip":
                    assert found["plain", local][0] == pytest.approx(peers, abs=1e-12)
    alone = clip.clip_loss(*tiny(images[:SHARE], text[:SHARE]))
    assert abs(alone.item() - results[0]["plain", True][0]) > 0.1, "a loss over the local shard only is another"


# ---------------------------------------------------------------------------------------------------------------------
# Training


def test_decay_spares_gains_and_biases():
    net = model()
    decayed, spared = clip.adamw(net, 1e-3).param_groups
    assert {id(p) for g in (decayed, spared) for p in g["params"]} == {id(p) for p in net.parameters()}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.2, 0.0)
    names = {id(p): name for name, p in net.named_parameters()}
    assert {names[id(p)] for p in spared["params"]} == {
        n for n in names.values() if n.endswith(("bias", "logit_scale", "class_embedding")) or ".ln_" in f".{n}"
    }


def test_a_step_clamps_the_scale_and_leaves_it_free_to_come_back():
    net, (images, text) = model(), pairs(8)
    with torch.no_grad():
        net.logit_scale.fill_(math.log(500))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    clip.train_step(net, optimizer, images, text)
    assert net.logit_scale.item() == pytest.approx(math.log(100))
    assert net.logit_scale.grad.item() != 0, "it is the parameter that is clamped, not what the loss sees"
    optimizer = torch.optim.SGD([net.logit_scale], lr=1e-3)
    clip.train_step(net, optimizer, images, text)  # untrained: a lower scale is a lower loss
    assert net.logit_scale.item() < math.log(100) - 1e-4


def test_training_depends_on_the_seed_alone():
    images, text = pairs(8)

    def run(seed):
        net = model(seed)
        optimizer = clip.adamw(net, lr=1e-3)
        return torch.stack([clip.train_step(net, optimizer, images, text) for _ in range(4)])

    first = run(0)
    torch.manual_seed(123)
    assert torch.equal(run(0), first) and not torch.equal(run(1), first)


def test_it_learns_which_caption_is_whose():
    if not emoji_captions.present():
        pytest.skip("needs the emoji font of Debian's fonts-noto-color-emoji: `make data`")
    images, emojis = emoji_captions.load("train")
    images = F.avg_pool2d(emoji_captions.normalise(images[:48]), 2)
    names = [e.english[0] for e in emojis[:48]]
    text = clip.tokenize(names)
    torch.manual_seed(0)
    net = clip.Clip(
        32, clip.Vision(image=16, patch=4, width=48, layers=1, heads=3), clip.Text(width=48, layers=1, heads=3)
    )
    optimizer = clip.adamw(net, lr=3e-3)
    losses = [clip.train_step(net, optimizer, images, text).item() for _ in range(60)]
    assert losses[0] > 3 and losses[-1] < 0.5, losses[::10]
    with torch.no_grad():
        image, caption, _ = net(images, text)
    for similarity in (image @ caption.T, caption @ image.T):
        assert clip.recall_at_k(similarity, torch.eye(48, dtype=torch.bool), 1).mean() > 0.8


# ---------------------------------------------------------------------------------------------------------------------
# Zero-shot classification


def test_zero_shot_weights_are_open_clips():
    net = model(text=clip.Text(context=40, width=20, layers=2, heads=5))
    classes, templates = ["cat", "dog", "猫", "{}"], ["a drawing of a {}.", "{}", "{} or {}"]

    def tokens(texts):
        return clip.tokenize(texts, 40)

    class Theirs:
        encode_text = staticmethod(lambda text, normalize: net.encode_text(text))

    ours = clip.zero_shot_weights(lambda texts: net.encode_text(tokens(texts)), classes, templates)
    theirs = build_zero_shot_classifier(Theirs, tokens, classes, [lambda c, t=t: t.replace("{}", c) for t in templates])
    torch.testing.assert_close(ours, theirs.T, rtol=0, atol=1e-6)
    assert ours.shape == (4, DIM) and not ours.requires_grad


def test_an_ensemble_is_the_mean_of_normalised_features():
    known = {"a": [3.0, 0.0], "not a": [0.0, 0.1]}
    weights = clip.zero_shot_weights(lambda texts: torch.tensor([known[t] for t in texts]), ["a"], ["{}", "not {}"])
    torch.testing.assert_close(weights, torch.full((1, 2), 0.5**0.5), msg="a long feature counts no more")


@pytest.mark.parametrize(("classes", "templates"), [([], ["{}"]), (["a"], []), (["a"], ["a photo"])])
def test_a_classifier_of_nothing_is_refused(classes, templates):
    with pytest.raises(ValueError, match="templates that hold {}"):
        clip.zero_shot_weights(lambda texts: torch.ones(len(texts), 2), classes, templates)


# ---------------------------------------------------------------------------------------------------------------------
# Retrieval


def hits_over_all_orders(similarity, relevant, k):
    """The definition: put candidates into every order there is, sort stably, and look at the first k."""
    orders = list(itertools.permutations(range(len(similarity))))
    hits = sum(any(relevant[c] for c in sorted(order, key=lambda c: -similarity[c])[:k]) for order in orders)
    return hits / len(orders)


@given(st.data(), st.integers(1, 3), st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_recall_is_its_definition_with_ties_and_several_answers(data, queries, candidates, k):
    def drawn(of, kind):
        return data.draw(st.lists(st.lists(of, min_size=candidates, max_size=candidates), min_size=kind, max_size=kind))

    similarity = torch.tensor(drawn(st.sampled_from([-1.0, 0.0, 0.5]), queries))
    relevant = torch.tensor(drawn(st.booleans(), queries))
    relevant[:, 0] |= ~relevant.any(1)
    expected = [hits_over_all_orders(s, r, k) for s, r in zip(similarity.tolist(), relevant.tolist(), strict=True)]
    torch.testing.assert_close(
        clip.recall_at_k(similarity, relevant, k), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_recall_by_hand_both_ways():
    """Two pictures, three captions; the first two are the first picture's."""
    whose = torch.tensor([[True, True, False], [False, False, True]])
    similarity = torch.tensor([[0.1, 0.9, 0.5], [0.8, 0.2, 0.2]])
    assert clip.recall_at_k(similarity, whose, 1).tolist() == [1, 0], "not the first caption only"
    assert clip.recall_at_k(similarity, whose, 2).tolist() == [1, 0.5], "two captions share the second place"
    assert clip.recall_at_k(similarity.T, whose.T, 1).tolist() == [0, 1, 0]
    assert clip.recall_at_k(similarity.T, whose.T, 2).tolist() == [1, 1, 1]


def test_a_collapsed_model_scores_chance():
    relevant = torch.zeros(4, 50, dtype=torch.bool)
    for row, answers in enumerate((1, 2, 5, 50)):
        relevant[row, :answers] = True
    for k in (1, 5, 10, 60):
        chance = [1 - math.comb(50 - p, min(k, 50)) / math.comb(50, min(k, 50)) for p in (1, 2, 5, 50)]
        for constant in (0.0, 0.3, -math.inf):
            found = clip.recall_at_k(torch.full((4, 50), constant), relevant, k)
            assert found.tolist() == pytest.approx(chance, abs=1e-12)


def test_recall_without_ties_is_a_rank():
    generator = torch.Generator().manual_seed(0)
    similarity = torch.rand(30, 30, generator=generator)
    rank = (similarity > similarity.diagonal()[:, None]).sum(1)
    for k in (1, 5, 10, 30):
        found = clip.recall_at_k(similarity, torch.eye(30, dtype=torch.bool), k)
        assert torch.equal(found, (rank < k).double())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"k": 0}, "k of 1 or more"),
        ({"similarity": torch.full((2, 3), math.nan)}, "received NaN"),
        ({"relevant": torch.tensor([[True, False, False], [False] * 3])}, "a right answer for every query"),
        ({"relevant": torch.eye(3).bool()}, r"received \(2, 3\) and torch.bool \(3, 3\)"),
        ({"relevant": torch.ones(2, 3)}, "torch.float32"),
    ],
)
def test_what_cannot_be_ranked_is_refused(change, says):
    usual = {"similarity": torch.zeros(2, 3), "relevant": torch.ones(2, 3, dtype=torch.bool), "k": 1}
    with pytest.raises(ValueError, match=says):
        clip.recall_at_k(**{**usual, **change})


def test_words_shared_by_hand():
    overlap = clip.lexical_overlap(["Red heart", "猫脸 cat", "!"], ["red_apple", "heart, RED heart", "猫", "?"])
    assert overlap.tolist() == [[1 / 3, 1, 0, 0], [0, 0, 1 / 3, 0], [0, 0, 0, 0]]


def test_the_baseline_borrows_the_nearest_pictures_caption():
    seen = torch.stack([torch.zeros(3, 4, 4), torch.full((3, 4, 4), 200)]).byte()
    similarity = clip.lexical_baseline(seen.flip(0) + 3, seen, ["dark cat", "light dog"], ["a dog", "a cat", "none"])
    assert similarity.argmax(1).tolist() == [0, 1] and similarity[0].tolist() == [1 / 3, 0, 0]
    with pytest.raises(ValueError, match="each of 2 pictures, received 1"):
        clip.lexical_baseline(seen, seen, ["a"], ["b"])


def test_bootstrap_draws_whole_concepts():
    hit = torch.tensor([1.0, 0.0]).repeat(10).repeat_interleave(10)  # 20 concepts, each all right or all wrong
    grouped = clip.bootstrap(hit, [f"c{i // 10}" for i in range(200)])
    single = clip.bootstrap(hit, [f"q{i}" for i in range(200)])
    assert grouped.mean == single.mean == 0.5
    # deviations of a mean of 20 and of 200 coin flips: √(.25/20) = .112 and .035; an interval is ±1.96 of them
    assert grouped.high - grouped.low == pytest.approx(4 * 0.112, rel=0.15)
    assert single.high - single.low == pytest.approx(4 * 0.035, rel=0.15)
    assert clip.bootstrap(hit, [f"c{i // 10}" for i in range(200)]) == grouped, "the same seed, the same interval"


def test_bootstrap_weighs_queries_and_not_concepts():
    values = torch.tensor([1.0, 1.0, 1.0, 0.0])
    interval = clip.bootstrap(values, ["a", "a", "a", "b"])
    assert interval == (0.75, 0.0, 1.0)
    with pytest.raises(ValueError, match="at least two different ones, received 4 and 1"):
        clip.bootstrap(values, ["a"] * 4)
    with pytest.raises(ValueError, match="each of 4 values"):
        clip.bootstrap(values, ["a", "b"])
