"""What lab 2.1 asks: the pieces of a loss scaler, written as functions, and the order in which a step uses them."""

import math

import numpy as np
import torch
from torch import nn

from quintet import amp
from quintet.checks import ANY, Either, Misconception, Mismatch, case, check, draw, near
from quintet.checks.near import difference
from quintet.student import Student

LECTURE = "lecture 2.1 amp, section "
MISCONCEPTIONS = {
    "scaled-after-cast": Misconception(
        "the values were cast first and scaled afterwards",
        "A value that has rounded to zero stays zero, whatever it is multiplied by: the scale has to act before the "
        "cast.",
        LECTURE + "2 Gradients that drown",
    ),
    "zeros-counted": Misconception(
        "entries that were zero in fp32 already were counted",
        "ReLU makes many gradients exactly zero in any format; only a nonzero value can drown.",
        LECTURE + "2 Gradients that drown",
    ),
    "averaged-per-tensor": Misconception(
        "a share per tensor was averaged, as if all tensors were of one size",
        "A bias of ten entries then weighs as much as a layer of ten thousand. Count over all tensors, then divide "
        "once.",
        LECTURE + "2 Gradients that drown",
    ),
    "changed-in-place": Misconception(
        "an argument was changed in place",
        "Whoever called this still holds the tensor: the next use of it sees other numbers. Make a new one.",
        LECTURE + "4 Loss scaling",
    ),
    "nan-missed": Misconception(
        "inf is looked for, NaN is not",
        "An overflow soon meets another one: inf − inf and 0 · inf are NaN. A check for inf alone lets such a step "
        "through.",
        LECTURE + "4 Loss scaling",
    ),
    "unscaled-in-half": Misconception(
        "the gradients were divided by the scale in half precision",
        "What the scale had saved underflows again in the division. Convert to fp32 first, then divide.",
        LECTURE + "4 Loss scaling",
    ),
    "grows-every-step": Misconception(
        "the scale grows after every clean step",
        "It then runs into overflow every few steps and most of them are skipped. It should grow after `interval` "
        "clean steps in a row.",
        LECTURE + "4 Loss scaling",
    ),
    "streak-kept-on-backoff": Misconception(
        "the streak of clean steps goes on after a back-off",
        "The next growth then comes too early, to the scale that has just overflowed. An overflow ends the streak.",
        LECTURE + "4 Loss scaling",
    ),
    "grows-a-step-late": Misconception(
        "the scale grows one clean step too late",
        "`streak` counts the clean steps before this one: this step is number streak + 1 of the interval.",
        LECTURE + "4 Loss scaling",
    ),
    "streak-kept-on-growth": Misconception(
        "the streak of clean steps goes on after the scale has grown",
        "The next growth has to be earned by a full interval at the new scale.",
        LECTURE + "4 Loss scaling",
    ),
    "scaled-after-backward": Misconception(
        "the gradient in .grad is not scaled: the loss was scaled after "
        "backward or not at all, or the gradient was unscaled here",
        "backward has to start from the scaled loss, or small gradients have drowned by then; dividing by the scale "
        "is finish_step's work.",
        LECTURE + "4 Loss scaling",
    ),
    "unscaled-each-micro-batch": Misconception(
        "the gradients were unscaled after every micro-batch",
        "Gradients of earlier micro-batches are then divided again and again while later ones arrive scaled. "
        "Unscale once, after the last.",
        LECTURE + "5 The order of a step",
    ),
    "summed-not-averaged": Misconception(
        "the micro-batches' losses were summed, not averaged",
        "The gradient is then as many times too large as there are micro-batches: divide each loss by their number.",
        LECTURE + "5 The order of a step",
    ),
    "stale-gradients": Misconception(
        "gradients of the step before were not cleared",
        "backward adds to what is in .grad: clear it before the first micro-batch.",
        LECTURE + "5 The order of a step",
    ),
    "scaled-loss-reported": Misconception(
        "the scaled loss was returned",
        "A loss curve that jumps with the scale says nothing about learning: report the unscaled mean.",
        LECTURE + "5 The order of a step",
    ),
    "graph-kept": Misconception(
        "the loss was returned as a tensor that still holds its graph",
        "Every loss that is kept for a plot then keeps the activations of its step: take its number with .item().",
        LECTURE + "5 The order of a step",
    ),
    "loss-in-half": Misconception(
        "the loss was computed in half precision",
        "A loss has to be computed under autocast, which makes it fp32, or from outputs in fp32: in half precision a "
        "small one drowns, and a scaled one overflows.",
        LECTURE + "3 Autocast: who computes in what",
    ),
    "no-autocast": Misconception(
        "the forward pass did not run under autocast in the precision asked for",
        "The activations then stay in fp32: nothing is saved.",
        LECTURE + "3 Autocast: who computes in what",
    ),
    "backward-inside-autocast": Misconception(
        "backward was called inside the autocast block",
        "Operations whose forward ran in fp32 then have their backward cast down, and large gradients overflow. "
        "Close the block first.",
        LECTURE + "3 Autocast: who computes in what",
    ),
    "clip-before-unscale": Misconception(
        "the gradients were clipped before they were unscaled",
        "The scaled norm is compared with max_norm, so nearly every step is clipped, and unscaling then makes it "
        "scale times too small.",
        LECTURE + "5 The order of a step",
    ),
    "never-unscaled": Misconception(
        "the optimizer saw gradients that were still scaled",
        "unscale returns new tensors, and the optimizer (like clip_grad_norm_) looks at p.grad: put them there.",
        LECTURE + "5 The order of a step",
    ),
    "unscaled-twice": Misconception(
        "the gradients were unscaled twice",
        "They are scale times too small, and the step hardly moves. Unscaling belongs to one place only.",
        LECTURE + "5 The order of a step",
    ),
    "not-clipped": Misconception(
        "the gradients were not clipped",
        "Their norm after unscaling is above max_norm.",
        LECTURE + "5 The order of a step",
    ),
    "stepped-in-spite-of-inf": Misconception(
        "the optimizer stepped although a gradient was inf or NaN",
        "One such step makes weights NaN, and every later one stays NaN. Skip the step and lower the scale.",
        LECTURE + "4 Loss scaling",
    ),
    "skipped-by-zeroing": Misconception(
        "bad gradients were set to zero and the optimizer stepped all the same",
        "Momentum moves the weights even with zero gradients. Skipping a step means not to call optimizer.step().",
        LECTURE + "4 Loss scaling",
    ),
    "scheduler-on-skipped-step": Misconception(
        "the scheduler stepped although the optimizer did not",
        "The learning rate then runs ahead of the training, most of all in a warm-up, where the first steps are "
        "often skipped.",
        LECTURE + "5 The order of a step",
    ),
    "half-master-weights": Misconception(
        "the update was added to half-precision weights",
        "An update below half the spacing of the numbers around a weight is rounded away, however often it is "
        "repeated. Add it to the fp32 master.",
        LECTURE + "6 Master weights",
    ),
}


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(scale * rng.standard_normal(shape)).float()


def _unchanged(student: Student, tensors: list[torch.Tensor], use) -> None:
    """use(theirs) calls the student with tensors that live on their side; Mismatch if they are others afterwards."""
    theirs = student.keep(student.define("def hold(x):\n    return x\n").hold, [t.clone() for t in tensors])
    use(theirs)
    problem = difference(student.value(theirs), tensors, "the argument after the call", 1, None, True)
    if problem:
        raise Mismatch(problem, "changed-in-place")


# ---- 1 how much drowns


@check("amp/zeroed", points=2)
def zeroed(student: Student, rng: np.random.Generator) -> None:
    """zeroed(grads, scale, dtype) -> share of all nonzero entries that drown in `dtype` once scaled."""

    def make(rng):
        sizes = [(40, 7), (11,), (3, 5, 2)]
        exponents = rng.uniform(-12, -5, size=3)
        grads = [_normal(rng, *s) * 10.0**e for s, e in zip(sizes, exponents, strict=True)]
        grads[0][rng.random(sizes[0]) < 0.3] = 0.0
        return grads, float(2.0 ** rng.integers(2, 8)), torch.float16

    def answers(grads, scale, dtype):
        flat = torch.cat([g.flatten() for g in grads])
        return {
            "right": amp.zeroed_fraction(flat, scale, dtype),
            "scaled-after-cast": amp.zeroed_fraction(flat, 1.0, dtype),
            "zeros-counted": Either(
                [
                    (flat * scale).to(dtype).eq(0).double().mean().item(),
                    ((flat * scale).to(dtype).eq(0) & (flat != 0)).double().mean().item(),
                ]
            ),
            "averaged-per-tensor": sum(amp.zeroed_fraction(g, scale, dtype) for g in grads) / len(grads),
        }

    with case("fp16, three tensors of different sizes", 1):
        inputs, known = draw(rng, make, answers)
        near(student.zeroed(*inputs), known.pop("right"), suspects=known, what="the share")
        _unchanged(student, inputs[0], lambda grads: student.zeroed(grads, 64.0, torch.float16))
    with case("at the edge: half of the smallest subnormal drowns, a little more does not; bf16 keeps both", 1):
        scale, whole = float(2.0 ** rng.integers(-3, 4)), int(rng.integers(2, 9))
        edge = amp.FORMATS["fp16"].smallest / 2 / scale
        grads = [torch.tensor([edge, 1.01 * edge, -edge, 0.0]), torch.full((whole,), 1 / scale)]
        near(student.zeroed(grads, scale, torch.float16), 2 / (3 + whole), what="the share in fp16")
        near(student.zeroed(grads, 2 * scale, torch.float16), 0.0, what="the share in fp16, scaled by twice as much")
        near(student.zeroed(grads, scale, torch.bfloat16), 0.0, what="the share in bf16")
        near(student.zeroed([torch.zeros(3)], 1.0, torch.float16), 0.0, what="the share where no entry is nonzero")


# ---- 2 unscale and look


def _unscale(grads, scale):
    grads = [g.float() / float(scale) for g in grads]
    return grads, not amp.all_finite(grads)


@check("amp/unscale", points=3)
def unscale(student: Student, rng: np.random.Generator) -> None:
    """unscale(grads, scale) -> (fp32 gradients divided by the scale, whether any entry is inf or NaN)."""

    def make(rng):
        grads = [_normal(rng, 6, 5), _normal(rng, 9)]
        return [(g * 10.0 ** rng.uniform(-3, 1)).half() for g in grads], float(2.0 ** rng.integers(14, 18))

    def answers(grads, scale):
        half = [(g / scale).half().float() for g in grads]
        return {"right": _unscale(grads, scale), "unscaled-in-half": (half, False)}

    with case("finite fp16 gradients come back in fp32, divided by the scale", 1):
        inputs, known = draw(rng, make, answers)
        near(student.unscale(*inputs), known.pop("right"), suspects=known)
        for dtype in (torch.float16, torch.float32):
            _unchanged(student, [g.to(dtype) for g in inputs[0]], lambda grads: student.unscale(grads, 64.0))
        large = [torch.full((300,), 6e4).half(), torch.full((40,), 3e38)]  # finite, although their sums are not
        near(student.unscale(large, 2.0), _unscale(large, 2.0), what="the result for large finite gradients")

    with case("inf and NaN are found, wherever they are", 2):
        (grads, scale), _ = draw(rng, make, answers)
        near(student.unscale(grads, scale), (ANY, False), what="the result without an overflow")
        for bad in (float("inf"), float("-inf"), float("nan")):
            for tensor in range(len(grads)):
                hit = [g.clone() for g in grads]
                hit[tensor].view(-1)[rng.integers(hit[tensor].numel())] = bad
                missed = (
                    {"nan-missed": (ANY, False)} if bad != bad else {}
                )  # inf was found, or this line is not reached
                near(
                    student.unscale(hit, scale),
                    (ANY, True),
                    suspects=missed,
                    what=f"the result with {bad} in a gradient",
                )


# ---- 3 grow and back off


@check("amp/next_scale", points=3)
def next_scale(student: Student, rng: np.random.Generator) -> None:
    """next_scale(scale, streak, found_inf, growth, backoff, interval) -> (scale, streak)."""
    scale = float(2.0 ** rng.integers(5, 16))
    growth, backoff = float(rng.choice([1.5, 2.0, 4.0])), float(rng.choice([0.25, 0.5, 0.75]))
    interval = int(rng.integers(5, 50))
    streak = int(rng.integers(1, interval - 2))
    factors = {"growth": growth, "backoff": backoff, "interval": interval}

    with case("an overflow backs off and ends the streak", 1):
        for before in (streak, interval - 1):
            near(
                student.next_scale(scale, before, True, **factors),
                (scale * backoff, 0),
                suspects={"streak-kept-on-backoff": Either([(scale * backoff, before), (scale * backoff, before + 1)])},
            )
    counts = False
    with case("a clean step counts, and the scale stays", 1):
        for before in (0, streak, interval - 2):
            near(
                student.next_scale(scale, before, False, **factors),
                (scale, before + 1),
                suspects={"grows-every-step": (scale * growth, ANY)},
            )
        counts = True
    with case("the last clean step of an interval grows the scale and starts a new streak", 1):
        suspects = {
            "streak-kept-on-growth": Either([(scale * growth, interval), (scale * growth, interval - 1)]),
            "grows-a-step-late": (scale, interval),
        }
        near(
            student.next_scale(scale, interval - 1, False, **factors),
            (scale * growth, 0),
            suspects=suspects if counts else {},  # a scale that grows at every step has its own name
            what="(scale, streak) after the last clean step of an interval",
        )
        near(student.next_scale(1024.0, 1999, False), (2048.0, 0), what="with the default factors, the result")
        near(student.next_scale(1024.0, 7, True), (512.0, 0), what="with the default factors, the result")


# ---- 4 forward, scale, backward, accumulate

# A model that says in which precision it ran, with a head in fp32, as is common; and what a step needs, put together at
# once, since each thing asked for travels. Runs on the student's side and here.
GIVEN = """
import torch
from torch import nn

class WithFp32Head(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.body, self.head, self.saw = nn.Linear(inputs, hidden), nn.Linear(hidden, classes), {}

    def forward(self, x):
        h = self.body(x)
        self.saw = {"precision": str(h.dtype), "rows": len(x), "training": self.training}
        with torch.autocast(x.device.type, enabled=False):
            return self.head(torch.tanh(h.float()))

def small_loss(outputs, targets):
    return 2.0**-24 * nn.functional.cross_entropy(outputs, targets)

def put_gradients(model, grads):
    for p, g in zip(model.parameters(), grads):
        p.grad = g

def trial(weights, lr, gamma, before):
    model = nn.Linear(4, 3)
    model.load_state_dict({"weight": weights[0], "bias": weights[1]})
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=gamma)
    if before is not None:
        put_gradients(model, before)
        optimizer.step()
        scheduler.step()
    return model, optimizer, scheduler
"""
_here: dict = {"__name__": __name__}
exec(GIVEN, _here)
HALF_EPS, FP32_EPS = 2.0**-10, 2.0**-23


def _gradients(model, batches, loss_fn, dtype, factor, inside=False):
    """Σ over the batches of the gradients of factor · loss, by parameter name; `inside`: backward under autocast."""
    weights = dict(model.named_parameters())
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for x, y in batches:
        with torch.autocast("cpu", dtype=dtype):
            loss = loss_fn(model(x), y) * factor
        with torch.autocast("cpu", dtype=dtype, enabled=inside):
            grads = torch.autograd.grad(loss, weights.values())
        total = {name: t + g for (name, t), g in zip(total.items(), grads, strict=True)}
    return total


@check("amp/accumulate", points=4)
def accumulate(student: Student, rng: np.random.Generator) -> None:
    """accumulate(model, loss_fn, batches, scale, dtype) -> mean loss; leaves the scaled mean gradient in .grad."""
    inputs, hidden, classes, rows = 6, 10, 4, 5
    count, dtype = int(rng.choice([2, 4])), torch.float16
    scale = float(2.0 ** rng.integers(22, 27))
    loss_fn = _here["small_loss"]  # so small that fp16 gradients drown unless the loss is scaled before backward
    given = student.define(GIVEN)

    def make(rng):
        model = _here["WithFp32Head"](inputs, hidden, classes)
        model.load_state_dict({k: _normal(rng, *v.shape, scale=0.5) for k, v in model.state_dict().items()})
        return model, [
            (_normal(rng, rows, inputs), torch.from_numpy(rng.integers(classes, size=rows))) for _ in range(count)
        ]

    def answers(model, batches):
        each = [_gradients(model, [batch], loss_fn, dtype, scale / count) for batch in batches]
        right = {name: sum(grads[name] for grads in each) for name in each[0]}
        drowned = [_gradients(model, batches, loss_fn, dtype, m) for m in (1 / count, 1.0)]
        unscaled = {name: torch.zeros_like(g) for name, g in right.items()}
        for grads in each:
            unscaled = {name: (g + grads[name]) / scale for name, g in unscaled.items()}

        def times(grads, factor):
            return {name: g * factor for name, g in grads.items()}

        return {
            "right": right,
            "scaled-after-backward": Either(
                [times(grads, s) for grads in drowned for s in (1.0, scale)] + [times(right, 1 / scale)]
            ),
            "unscaled-each-micro-batch": Either([unscaled, times(unscaled, count)]),
            "summed-not-averaged": times(right, count),  # exactly so: count is a power of two
            "stale-gradients": {name: g + 1.0 for name, g in right.items()},
        }

    def ask(model, batches, scale):
        theirs = given.WithFp32Head(inputs, hidden, classes)
        theirs.load_state_dict(model.state_dict())
        given.put_gradients(theirs, [torch.ones_like(p) for p in model.parameters()])
        return theirs, student.keep(student.accumulate, theirs, given.small_loss, batches, scale, dtype)

    def plain_model(rng):
        plain = nn.Linear(inputs, classes)
        plain.load_state_dict({k: _normal(rng, *v.shape) for k, v in plain.state_dict().items()})
        return (plain,)

    def plain_losses(plain):
        with torch.autocast("cpu", dtype=dtype):
            outputs = [plain(x) for x, _ in batches]

        def losses(d):
            return [loss_fn(o.to(d), y).detach() for o, (_, y) in zip(outputs, batches, strict=True)]

        halves = [[x.item() for x in losses(dtype)], [(x / count).item() * count for x in losses(dtype)]]
        return {
            "right": sum(x.item() for x in losses(torch.float32)) / count,
            "loss-in-half": Either(sum(each) / count for each in halves),
        }

    (model, batches), known = draw(rng, make, answers, n=rows * hidden, eps=HALF_EPS)
    right = known.pop("right")
    losses = [loss_fn(model(x), y).item() for x, y in batches]
    mean = sum(losses) / count

    with case("the gradient is the micro-batches' mean, times the scale", 2):
        theirs, _ = ask(model, batches, scale)
        near(student.grads(theirs), right, suspects=known, what=".grad", n=rows * hidden, eps=HALF_EPS)
        saw = {"precision": str(dtype), "rows": rows, "training": True}
        suspects = {"no-autocast": {**saw, "precision": "torch.float32"}}
        near(student.at(theirs, "saw"), saw, suspects=suspects, what="what the model saw")
    with case("the mean loss comes back unscaled", 1):
        _, loss = ask(model, batches, scale)
        if student.isinstance(loss, "torch.Tensor") and student.at(loss, "requires_grad") is True:
            raise Mismatch("the loss should be a plain number, but it is a tensor with a graph", "graph-kept")
        scaled = {"scaled-loss-reported": Either([mean * scale, mean * scale * count])}
        near(student.value(loss), mean, suspects=scaled, what="the loss", eps=HALF_EPS)
        # a model without an fp32 head gives half-precision outputs
        (plain,), known = draw(rng, plain_model, plain_losses, eps=HALF_EPS)
        theirs = student.lib("torch.nn.Linear", inputs, classes)
        theirs.load_state_dict(plain.state_dict())
        loss = student.accumulate(theirs, given.small_loss, batches, scale, dtype)
        near(loss, known.pop("right"), suspects=known, what="the loss of a half-precision model", eps=HALF_EPS)
    with case("layers that ran in fp32 go backward in fp32: large gradients do not overflow in the head", 1):
        high = 2.0**46
        with torch.no_grad():
            model.head.weight *= 0.01  # large gradients in the fp32 head, small ones below it
        outside, inside = (
            _gradients(model, batches, loss_fn, dtype, high / count, inside=where) for where in (False, True)
        )
        assert all(g.isfinite().all() for g in outside.values()) and not all(
            g.isfinite().all() for g in inside.values()
        )
        theirs, _ = ask(model, batches, high)
        suspects = {"backward-inside-autocast": inside}
        near(student.grads(theirs), outside, suspects=suspects, what=".grad", n=rows * hidden, eps=HALF_EPS)


# ---- 5 the order of a step


def _next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    grown, streak = amp.next_scale(torch.tensor(float(scale)), int(streak), bool(found_inf), growth, backoff, interval)
    return grown.item(), streak


LR, GAMMA = 0.1, 0.5  # the scheduler halves the rate: a step that should not have been shows at once


@check("amp/finish_step", points=5)
def finish_step(student: Student, rng: np.random.Generator) -> None:
    """finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval) -> (scale, streak, stepped)."""
    scale, streak = float(2.0 ** rng.integers(5, 9)), int(rng.integers(3, 100))  # a scale-th of a step is still seen
    max_norm = float(rng.uniform(0.5, 2.0))
    given = student.define(GIVEN)
    shapes = [(3, 4), (3,)]

    def make(rng):
        grads = [_normal(rng, *s) for s in shapes]
        norm = torch.cat([g.flatten() for g in grads]).norm()
        return [_normal(rng, *s) for s in shapes], [g * (scale * max_norm * rng.uniform(2, 4) / norm) for g in grads]

    def after(weights, *steps):
        """Weights after SGD steps with these gradients, the scheduler stepping after each: torch.optim.SGD's rule."""
        lr, momentum = LR, [torch.zeros_like(w) for w in weights]
        for grads in steps:
            momentum = [0.9 * m + g for m, g in zip(momentum, grads, strict=True)]
            weights = [w - lr * m for w, m in zip(weights, momentum, strict=True)]
            lr *= GAMMA
        return weights

    def clipped(grads):
        norm = torch.cat([g.flatten() for g in grads]).norm()
        return [g * torch.clamp(max_norm / (norm + 1e-6), max=1.0) for g in grads]

    def divided(grads, by=scale):
        return [g / by for g in grads]

    def ask(weights, grads, interval=2000, before=None, then=None):
        """The student's weights, learning rate and answer for these scaled gradients.

        before, then: gradients of steps that the check takes itself, so that there is momentum, and to see it.
        """
        model, optimizer, scheduler = given.trial(weights, LR, GAMMA, before)
        given.put_gradients(model, grads)
        with student.given(unscale=_unscale, next_scale=_next_scale):
            answer = student.finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval)
        if then is not None:
            given.put_gradients(model, then)
            optimizer.step()
        state = student.state(model)
        return [state["weight"], state["bias"]], student.at(optimizer, "param_groups.0.lr"), answer

    def answers(weights, grads):
        return {
            "right": after(weights, clipped(divided(grads))),
            "clip-before-unscale": after(weights, divided(clipped(grads))),
            "unscaled-twice": after(weights, clipped(divided(grads, scale**2))),
            "not-clipped": after(weights, divided(grads)),
            "no step at all": weights,  # has no name, and must not look like one that has
        }

    # The norm that clips is a sum of 15 squares, then a root and a quotient; a weight is a sum of itself and two steps.
    within = {"eps": 2.0**-20, "n": 3}
    (weights, grads), known = draw(rng, make, answers, **within)
    right = known.pop("right")
    del known["no step at all"]

    with case("a clean step: unscaled once, then clipped, then taken", 2):
        near(ask(weights, grads)[0], right, suspects=known, what="the weights", **within)
        small = [g / 100 for g in grads]  # a norm below max_norm stays as it is
        once = divided(small)
        near(
            ask(weights, small, interval=streak + 1, before=once)[0],
            after(weights, once, once),
            suspects={"never-unscaled": after(weights, once, clipped(small))},
            what="the weights after a gradient smaller than max_norm",
            **within,
        )
    with case("after a clean step the scheduler has stepped, and the answer says so", 1):
        near(
            ask(weights, grads)[1:],
            (LR * GAMMA, (scale, streak + 1, True)),
            what="(learning rate, (scale, streak, stepped))",
        )
        grown = (LR * GAMMA, (scale * 2.0, 0, True))
        near(
            ask(weights, grads, interval=streak + 1)[1:],
            grown,
            what="(learning rate, (scale, streak, stepped)) at an interval's end",
        )
    with case("after an overflow nothing moves: no weight, no momentum, no learning rate; the scale backs off", 2):
        near(ask(weights, grads)[2], (ANY, ANY, True), what="(scale, streak, stepped) without an overflow")
        for bad in (float("inf"), float("nan")):
            hit = [g.clone() for g in grads]
            hit[0][1, 2] = bad
            skipped = (scale * 0.5, 0, False)
            first, bad_grads = divided(grads), divided(hit)
            mended = [torch.nan_to_num(g, 0.0, 0.0, 0.0) for g in bad_grads]
            zeros = [torch.zeros(s) for s in shapes]
            spoilt = [after(weights, first, g) for g in (clipped(bad_grads), bad_grads)]
            drifted = [after(weights, first, g) for g in (zeros, mended, clipped(mended))]
            still = after(weights, first)
            near(
                ask(weights, hit, before=first),
                (still, LR * GAMMA, skipped),
                suspects={
                    "stepped-in-spite-of-inf": Either([(w, ANY, ANY) for w in spoilt]),
                    "skipped-by-zeroing": Either([(w, ANY, ANY) for w in drifted]),
                    "scheduler-on-skipped-step": (still, LR * GAMMA**2, skipped),
                },
                what=f"(weights, learning rate, (scale, streak, stepped)) after a step with {bad}",
                **within,
            )
            later = ask(weights, hit, before=first, then=zeros)[0]
            near(later, after(weights, first, zeros), what="the weights that momentum gives one step later", **within)


# ---- 6 master weights

# 300 calls beside the student's code, since each call from here takes as long as twenty there.
REPEAT = """
def repeat(step, got, grads, lr, dtype, times):
    for _ in range(times):
        got = step(got[0], grads, lr, dtype)
    return got
"""


@check("amp/master_step", points=3)
def master_step(student: Student, rng: np.random.Generator) -> None:
    """master_step(masters, grads, lr, dtype) -> (new fp32 masters, their copies in dtype)."""
    dtype = torch.float16
    shapes = [(2, 3), (5,)]

    with case("one step of SGD", 1):
        masters, grads = ([_normal(rng, *s) for s in shapes] for _ in range(2))
        lr = float(rng.uniform(0.05, 0.5))
        for half in (torch.float16, torch.bfloat16):
            stepped = [w - lr * g for w, g in zip(masters, grads, strict=True)]
            halved = [(w.to(half) - lr * g.to(half)) for w, g in zip(masters, grads, strict=True)]
            got = student.master_step(masters, grads, lr, half)
            near(
                got,
                (stepped, [w.to(half) for w in stepped]),
                suspects={"half-master-weights": Either([([w.float() for w in halved], halved), (halved, halved)])},
                what=f"the result for {str(half).removeprefix('torch.')}",
                eps=FP32_EPS,
                n=2,  # the weight and its step, which may cancel
            )
            if isinstance(got, (list, tuple)) and not all(
                torch.equal(copy, w.to(half)) for w, copy in zip(*got, strict=True)
            ):
                raise Mismatch(f"the copies are not the new masters rounded to {str(half).removeprefix('torch.')}")
        _unchanged(student, masters, lambda theirs: student.master_step(theirs, grads, lr, dtype))
    with case("300 updates, each too small to move a half-precision weight, add up", 2):
        sizes = [math.prod(s) for s in shapes]
        start = torch.from_numpy(rng.uniform(0.6, 0.9, sum(sizes))).float()
        slopes = torch.from_numpy(rng.uniform(0.5, 1.0, sum(sizes))).float()
        lr, steps = 1e-4, 300  # at most 1e-4 a step; half the spacing of fp16 in [0.5, 1) is 2.4e-4
        half = start.half()
        assert torch.equal(half - (lr * slopes).half(), half)
        want = rounded = through = start
        for _ in range(steps):
            want = want - lr * slopes
            rounded = (rounded - lr * slopes).half().float()  # after each step
            through = through.half().float() - lr * slopes  # before each step

        def tensors(flat):
            return [part.view(s) for part, s in zip(flat.split(sizes), shapes, strict=True)]

        def answer(flat):
            return tensors(flat), tensors(flat.half())

        masters, grads = tensors(start), tensors(slopes)
        stuck = Either(answer(kept) for kept in (half, half.float(), rounded, through))
        got = student.master_step(masters, grads, lr, dtype)
        near(got, (ANY, ANY))
        got = student.define(REPEAT).repeat(student.master_step, got, grads, lr, dtype, steps - 1)
        near(got, (ANY, ANY))
        near(got, answer(want), suspects={"half-master-weights": stuck}, what="the result", n=steps, eps=FP32_EPS)
