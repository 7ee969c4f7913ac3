# /// case
check = "compression/affine"
about = "the range is made symmetric, with zero in the middle of the grid"
# ///

# %% affine
def affine(lo, hi, bits):
    scale = 2 * max(-lo, hi) / (2**bits - 1) or 1.0
    return scale, 2 ** (bits - 1)
