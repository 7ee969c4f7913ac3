# /// case
check = "compression/affine"
about = "the zero point of a grid from -2^(b-1)"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1) or 1.0
    return scale, round(-lo / scale) - 2 ** (bits - 1)
