# /// case
# check = "compression/prune"
# misconception = "per-layer-share"
# about = "each layer by itself"
# ///

# %% prune
def prune(weights, share):
    masks = []
    for w in weights:
        stays = torch.ones(w.numel(), dtype=torch.bool)
        stays[w.abs().flatten().argsort()[: round(share * w.numel())]] = False
        masks.append(stays.view(w.shape))
    return masks
