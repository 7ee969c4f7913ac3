# /// case
check = "compression/per_channel"
misconception = "signed-maximum"
about = "the largest weight sets the scale, and what is beyond wraps around"
# ///

# %% per_channel
def per_channel(weight, axis):
    others = [d for d in range(weight.dim()) if d != axis]
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    scale = weight.amax(others) / 127
    scale = torch.where(scale > 0, scale, 1.0)
    return torch.round(weight / scale.view(shape)).to(torch.int8), scale
