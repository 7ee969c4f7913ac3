# /// case
# check = "compression/per_channel"
# misconception = "wrong-axis"
# about = "scales along the last axis whatever is asked for"
# ///

# %% per_channel
def per_channel(weight, axis):
    axis = weight.dim() - 1 if axis != weight.dim() - 1 else 0
    others = [d for d in range(weight.dim()) if d != axis]
    scale = weight.abs().amax(others) / 127
    scale = torch.where(scale > 0, scale, 1.0)
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    return torch.round(weight / scale.view(shape)).to(torch.int8), scale
