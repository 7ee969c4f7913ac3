# /// case
# check = "amp/finish_step"
# misconception = "never-unscaled"
# about = "forgets to put the unscaled gradients where the optimizer looks"
# ///

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    params = [p for p in model.parameters() if p.grad is not None]
    grads, found_inf = unscale([p.grad for p in params], scale)
    if not found_inf:
        nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
        scheduler.step()
    scale, streak = next_scale(scale, streak, found_inf, interval=interval)
    return scale, streak, not found_inf
