# /// case
# check = "amp/finish_step"
# misconception = "stepped-in-spite-of-inf"
# about = "steps although a gradient is not finite, and only lowers the scale"
# ///

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    params = [p for p in model.parameters() if p.grad is not None]
    grads, found_inf = unscale([p.grad for p in params], scale)
    for p, g in zip(params, grads, strict=True):
        p.grad = g
    nn.utils.clip_grad_norm_(params, max_norm)
    optimizer.step()
    if not found_inf:
        scheduler.step()
    scale, streak = next_scale(scale, streak, found_inf, interval=interval)
    return scale, streak, not found_inf
