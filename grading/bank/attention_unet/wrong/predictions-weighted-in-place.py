# /// case
# check = "attention_unet/sliding"
# about = "multiplies what predict returns: with one that hands its window back, the volume changes"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    for corner in itertools.product(*map(starts, volume.shape, weight.shape, step)):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape))
        found = predict(volume[box])
        found *= weight
        total[box] += found
        weights[box] += weight
    return total / weights
