# /// case
check = "compression/prune"
about = "weights that are 0 already are not counted"
# ///

# %% prune
def prune(weights, share):
    magnitudes = torch.cat([w.abs().flatten() for w in weights])
    go = int((magnitudes == 0).sum()) + round(share * int((magnitudes > 0).sum()))
    stays = torch.ones(len(magnitudes), dtype=torch.bool)
    stays[magnitudes.argsort()[:go]] = False
    return [part.view(w.shape) for part, w in zip(stays.split([w.numel() for w in weights]), weights)]
