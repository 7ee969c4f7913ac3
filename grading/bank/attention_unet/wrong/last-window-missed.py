# /// case
# check = "attention_unet/sliding"
# misconception = "last-window-missed"
# about = "whole steps alone; NaN where nobody looked"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    axes = [range(0, n - s + 1, t) for n, s, t in zip(volume.shape, weight.shape, step)]
    for corner in itertools.product(*axes):
        box = tuple(slice(c, c + s) for c, s in zip(corner, weight.shape))
        total[box] += weight * predict(volume[box])
        weights[box] += weight
    return total / weights
