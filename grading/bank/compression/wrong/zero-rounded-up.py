# /// case
check = "compression/affine"
misconception = "zero-not-rounded"
about = "the zero point is rounded up"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1) or 1.0
    return scale, math.ceil(-lo / scale)
