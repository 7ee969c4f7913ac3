# /// case
check = "compression/quantise"
misconception = "wrapped-around"
about = "16 bits hold an outlier no more than 8 do"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    q = (torch.round(x / scale) + zero_point).to(torch.int16)
    return q.clamp(0, 2**bits - 1).to(torch.uint8)
