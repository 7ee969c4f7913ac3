# /// case
# about = "flat tensors and arithmetic in place of loops and branches; nothing of the earlier steps is used in a later one"
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    flat = torch.cat([g.reshape(-1) for g in grads])
    flat = flat[flat.nonzero(as_tuple=True)]
    drowned = flat.numel() - torch.count_nonzero(flat.mul(scale).to(dtype))
    return drowned.double() / max(flat.numel(), 1)  # a tensor with one entry

# %% unscale
def unscale(grads, scale):
    inverse = 1.0 / scale
    copies = [g.detach().clone().to(torch.float32).mul_(inverse) for g in grads]
    bad = sum(int((~torch.isfinite(c)).sum()) for c in copies)
    return tuple(copies), bad > 0

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    clean = (streak + 1) * (not found_inf)
    scale = scale * (backoff if found_inf else 1.0) * growth ** (clean // interval)
    return [scale, clean % interval]

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    params = [p for p in model.parameters() if p.requires_grad]
    sums = [torch.zeros_like(p) for p in params]
    losses = []
    for x, y in batches:
        autocast = torch.amp.autocast(device_type=x.device.type, dtype=dtype)
        with autocast:
            out = model(x)
        loss = loss_fn(out.float(), y)  # the loss itself in fp32, outside
        losses.append(loss.detach())
        for s, g in zip(sums, torch.autograd.grad(loss.mul(scale), params)):
            s += g
    for p, s in zip(params, sums):
        p.grad = s / len(batches)
    return float(torch.stack(losses).mean())

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    grads = [p.grad for p in model.parameters()]
    norm = torch.sqrt(sum((g.double() / scale).pow(2).sum() for g in grads))
    if not torch.isfinite(norm):
        return scale / 2, 0, False
    factor = min(1.0, float(max_norm / (norm + 1e-6))) / scale  # unscale and clip in one multiplication
    for g in grads:
        g.mul_(factor)
    optimizer.step()
    scheduler.step()
    if streak + 1 >= interval:
        return scale * 2, 0, True
    return scale, streak + 1, True

# %% master_step
def master_step(masters, grads, lr, dtype):
    moved = torch._foreach_add(masters, grads, alpha=-lr)
    return list(moved), [m.type(dtype) for m in moved]
