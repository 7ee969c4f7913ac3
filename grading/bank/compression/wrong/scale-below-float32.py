# /// case
check = "compression/affine"
misconception = "scale-zero-on-constants"
about = "the scale of a dead channel is 0 as a float32"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1) or 1e-300
    return scale, round(-lo / scale)
