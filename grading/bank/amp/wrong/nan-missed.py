# /// case
# check = "amp/unscale"
# misconception = "nan-missed"
# about = "looks for inf only"
# ///

# %% unscale
def unscale(grads, scale):
    unscaled = [g.float() / scale for g in grads]
    found_inf = any(torch.isinf(g).any().item() for g in unscaled)
    return unscaled, found_inf
