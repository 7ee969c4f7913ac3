# /// case
# check = "attention_unet/sliding"
# about = "Σ w + 1e-6: dark borders where a bell's weight is that small"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    for corner in itertools.product(*map(starts, volume.shape, weight.shape, step)):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape))
        total[box] += weight * predict(volume[box])
        weights[box] += weight
    return total / (weights + 1e-6)
