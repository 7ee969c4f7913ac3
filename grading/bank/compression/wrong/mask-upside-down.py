# /// case
# check = "compression/prune"
# misconception = "mask-upside-down"
# about = "True marks what goes"
# ///

# %% prune
def prune(weights, share):
    scores = torch.cat([w.abs().flatten() for w in weights])
    stays = torch.ones(len(scores), dtype=torch.bool)
    stays[scores.argsort()[: round(share * len(scores))]] = False
    return [~part.view(w.shape) for part, w in zip(stays.split([w.numel() for w in weights]), weights)]
