# /// case
# check = "compression/affine"
# misconception = "levels-for-steps"
# about = "the range over 256 and not over 255"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / 2**bits or 1.0
    return scale, round(-lo / scale)
