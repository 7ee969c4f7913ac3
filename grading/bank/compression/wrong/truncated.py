# /// case
# check = "compression/quantise"
# misconception = "truncated"
# about = "the cast to an integer cuts the fraction off"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    q = (x / scale).to(torch.int32) + zero_point
    return q.clamp(0, 2**bits - 1).to(torch.uint8)
