# /// case
# check = "compression/prune"
# misconception = "ties-at-the-threshold"
# about = "a quantile as threshold: equals all stay or all go"
# ///

# %% prune
def prune(weights, share):
    everything = torch.cat([w.abs().flatten() for w in weights])
    cut = round(share * len(everything))
    threshold = everything.sort().values[cut - 1] if cut else -1.0
    return [w.abs() > threshold for w in weights]
