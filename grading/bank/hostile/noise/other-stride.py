# /// case
# item = "stride"
# about = "answers right numbers in memory of another order: transposed, expanded, every second entry"
# base = "reference"
# score = 20
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    new = []
    for w, g in zip(masters, grads):
        w = w - lr * g
        wide = torch.zeros(*w.shape, 2)
        wide[..., 1] = w
        new.append(wide[..., 1])
    return tuple(new), [w.mT.contiguous().mT.to(dtype) if w.dim() > 1 else w.to(dtype) for w in new]

# %% unscale
def unscale(grads, scale):
    unscaled = [(g.float().T.contiguous() / scale).T for g in grads]
    return unscaled, not all(torch.isfinite(g).all() for g in unscaled)
