# /// case
check = "compression/quantise"
about = "clamped first, and then the zero point is added"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    q = torch.round(x / scale).clamp(0, 2**bits - 1) + zero_point
    return q.clamp(0, 255).to(torch.uint8)
