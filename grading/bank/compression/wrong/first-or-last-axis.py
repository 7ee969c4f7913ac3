# /// case
check = "compression/per_channel"
misconception = "wrong-axis"
about = "axes in the middle are taken for the last"
# ///

# %% per_channel
def per_channel(weight, axis):
    turned = weight if axis == 0 else weight.transpose(0, -1)
    scale = turned.flatten(1).abs().amax(1) / 127
    scale = torch.where(scale > 0, scale, 1.0)
    q = torch.round(turned / scale.view(-1, *[1] * (turned.dim() - 1))).to(torch.int8)
    return (q if axis == 0 else q.transpose(0, -1)), scale
