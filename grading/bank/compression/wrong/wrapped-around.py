# /// case
# check = "compression/quantise"
# misconception = "wrapped-around"
# about = "cast to a byte without clamping"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    return (torch.round(x / scale) + zero_point).to(torch.int32).to(torch.uint8)
