# /// case
check = "compression/per_channel"
misconception = "scale-zero-on-constants"
about = "a channel of zeros gets the largest scale of the others, and where there is none 0"
# ///

# %% per_channel
def per_channel(weight, axis):
    others = [d for d in range(weight.dim()) if d != axis]
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    scale = weight.abs().amax(others) / 127
    scale = torch.where(scale > 0, scale, scale.max())
    return torch.round(weight / scale.view(shape)).to(torch.int8), scale
