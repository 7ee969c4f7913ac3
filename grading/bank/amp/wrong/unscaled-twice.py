# /// case
# check = "amp/finish_step"
# misconception = "unscaled-twice"
# about = "unscales once before clipping and once more"
# ///

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    params = [p for p in model.parameters() if p.grad is not None]
    grads, found_inf = unscale([p.grad for p in params], scale)
    if not found_inf:
        for p, g in zip(params, grads, strict=True):
            p.grad = g / scale
        nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
        scheduler.step()
    scale, streak = next_scale(scale, streak, found_inf, interval=interval)
    return scale, streak, not found_inf
