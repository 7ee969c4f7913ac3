# /// case
# check = "compression/per_channel"
# misconception = "scale-zero-on-constants"
# about = "a channel of zeros has a scale of 0"
# ///

# %% per_channel
def per_channel(weight, axis):
    others = [d for d in range(weight.dim()) if d != axis]
    scale = weight.abs().amax(others) / 127
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    return torch.nan_to_num(torch.round(weight / scale.view(shape))).to(torch.int8), scale
