# /// case
# check = "compression/per_channel"
# misconception = "one-scale"
# about = "one scale, repeated for every channel"
# ///

# %% per_channel
def per_channel(weight, axis):
    scale = weight.abs().max() / 127
    return torch.round(weight / scale).to(torch.int8), scale.repeat(weight.shape[axis])
