# /// case
# about = "a scaler class, torch's own optimizer for the masters, generators, early returns"
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    before = after = 0
    for g in grads:
        before += torch.count_nonzero(g).item()
        alive = (g * scale).to(dtype).float() != 0
        after += alive.sum().item()
    if before == 0:
        return 0.0
    return 1 - after / before

# %% unscale
class Unscaled(tuple):
    pass


def unscale(grads, scale):
    found = False
    out = []
    for g in grads:
        g32 = torch.div(g.to(dtype=torch.float32), scale)
        found |= bool((g32 - g32 != 0).any())  # inf - inf and nan - nan are nan, and nan != 0
        out.append(g32)
    return Unscaled((out, found))

# %% next_scale
class LossScale:
    def __init__(self, scale, streak):
        self.scale, self.streak = torch.tensor(scale, dtype=torch.float32), streak

    def overflowed(self, backoff):
        self.scale *= backoff
        self.streak = 0

    def went_well(self, growth, interval):
        self.streak += 1
        if self.streak >= interval:
            self.scale *= growth
            self.streak = 0


def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    state = LossScale(scale, streak)
    if found_inf:
        state.overflowed(backoff)
    else:
        state.went_well(growth, interval)
    return state.scale, state.streak

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    for p in model.parameters():
        p.grad = None
    parts = []
    for i in range(len(batches)):
        data, target = batches[i]
        with torch.autocast(device_type="cpu", dtype=dtype, enabled=True):
            part = loss_fn(model(data), target)
            scaled = part * (scale / len(batches))
        scaled.backward()
        parts.append(part.item())
    return sum(parts) / len(parts)

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    def gradients():
        for p in model.parameters():
            yield p.grad

    fresh, overflow = unscale(gradients(), scale)
    scale_after, streak_after = next_scale(found_inf=overflow, scale=scale, streak=streak, interval=interval)
    if overflow:
        optimizer.zero_grad()
        return scale_after, streak_after, False
    for p, g in zip(model.parameters(), fresh):
        p.grad.copy_(g)
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=max_norm)
    optimizer.step()
    scheduler.step()
    return scale_after, streak_after, True

# %% master_step
def master_step(masters, grads, lr, dtype):
    params = [nn.Parameter(m.clone()) for m in masters]
    for p, g in zip(params, grads):
        p.grad = g
    torch.optim.SGD(params, lr=lr).step()
    return [p.detach() for p in params], [p.detach().to(dtype) for p in params]
