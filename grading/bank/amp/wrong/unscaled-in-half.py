# /// case
# check = "amp/unscale"
# misconception = "unscaled-in-half"
# about = "divides in the precision that the gradients came in"
# ///

# %% unscale
def unscale(grads, scale):
    unscaled = [(g / scale).float() for g in grads]
    found_inf = not all(torch.isfinite(g).all().item() for g in unscaled)
    return unscaled, found_inf
