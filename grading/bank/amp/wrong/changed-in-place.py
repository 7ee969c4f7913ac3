# /// case
# check = "amp/unscale"
# misconception = "changed-in-place"
# about = "divides fp32 gradients in place: .float() gives the same tensor back"
# ///

# %% unscale
def unscale(grads, scale):
    unscaled = [g.float().div_(scale) for g in grads]
    found_inf = not all(torch.isfinite(g).all().item() for g in unscaled)
    return unscaled, found_inf
