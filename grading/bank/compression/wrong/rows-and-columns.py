# /// case
check = "compression/quantise"
about = "for two dimensions only"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    rows, columns = x.shape
    q = torch.round(x / scale) + zero_point
    return q.clamp(0, 2**bits - 1).to(torch.uint8).view(rows, columns)
