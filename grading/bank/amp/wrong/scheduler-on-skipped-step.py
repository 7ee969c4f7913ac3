# /// case
# check = "amp/finish_step"
# misconception = "scheduler-on-skipped-step"
# about = "steps the scheduler whether or not the optimizer stepped"
# ///

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    params = [p for p in model.parameters() if p.grad is not None]
    grads, found_inf = unscale([p.grad for p in params], scale)
    if not found_inf:
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
    scheduler.step()
    scale, streak = next_scale(scale, streak, found_inf, interval=interval)
    return scale, streak, not found_inf
