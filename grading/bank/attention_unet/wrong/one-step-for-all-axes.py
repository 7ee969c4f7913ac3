# /// case
# check = "attention_unet/sliding"
# about = "the step of the first axis"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    axes = [starts(n, s, min(step)) for n, s in zip(volume.shape, weight.shape)]
    for corner in itertools.product(*axes):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape))
        total[box] += weight * predict(volume[box])
        weights[box] += weight
    return total / weights
