# /// case
# check = "compression/per_channel"
# misconception = "signed-maximum"
# about = "the largest weight, not the largest magnitude"
# ///

# %% per_channel
def per_channel(weight, axis):
    others = [d for d in range(weight.dim()) if d != axis]
    scale = weight.amax(others) / 127
    scale = torch.where(scale != 0, scale, 1.0)
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    return torch.round(weight / scale.view(shape)).clamp(-127, 127).to(torch.int8), scale
