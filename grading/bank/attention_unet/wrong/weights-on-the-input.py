# /// case
# check = "attention_unet/sliding"
# about = "the picture is weighted, not the prediction"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    axes = [starts(n, s, t) for n, s, t in zip(volume.shape, weight.shape, step)]
    for corner in itertools.product(*axes):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape))
        total[box] += predict(weight * volume[box])
        weights[box] += weight
    return total / weights
