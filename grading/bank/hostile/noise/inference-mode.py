# /// case
# item = "further"
# about = "works in inference mode, half precision and with in-place operations on copies of its own"
# base = "reference"
# score = 20
# ///

# %% unscale
@torch.inference_mode()
def unscale(grads, scale):
    unscaled = [g.clone().float().mul_(1.0 / scale) for g in grads]
    return unscaled, bool(torch.stack([~torch.isfinite(g).all() for g in unscaled]).any())

# %% master_step
@torch.no_grad()
def master_step(masters, grads, lr, dtype):
    new = [w.clone().sub_(g, alpha=lr) for w, g in zip(masters, grads)]
    return new, [w.to(dtype) for w in new]
