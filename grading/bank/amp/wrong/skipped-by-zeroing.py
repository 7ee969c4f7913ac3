# /// case
# check = "amp/finish_step"
# misconception = "skipped-by-zeroing"
# about = "sets bad gradients to zero and steps all the same"
# ///

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    params = [p for p in model.parameters() if p.grad is not None]
    grads, found_inf = unscale([p.grad for p in params], scale)
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.nan_to_num(g, 0.0, 0.0, 0.0)
    nn.utils.clip_grad_norm_(params, max_norm)
    optimizer.step()
    if not found_inf:
        scheduler.step()
    scale, streak = next_scale(scale, streak, found_inf, interval=interval)
    return scale, streak, not found_inf
