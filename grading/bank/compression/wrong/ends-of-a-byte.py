# /// case
# check = "compression/quantise"
# misconception = "ends-of-a-byte"
# about = "clamped to 0 … 255 for 5 bits too"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    return (torch.round(x / scale) + zero_point).clamp(0, 255).to(torch.uint8)
