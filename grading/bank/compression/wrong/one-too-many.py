# /// case
check = "compression/prune"
about = "the number is rounded up"
# ///

# %% prune
def prune(weights, share):
    magnitudes = torch.cat([w.abs().flatten() for w in weights])
    go = math.ceil(share * len(magnitudes))
    stays = torch.ones(len(magnitudes), dtype=torch.bool)
    stays[magnitudes.argsort()[:go]] = False
    return [part.view(w.shape) for part, w in zip(stays.split([w.numel() for w in weights]), weights)]
