# /// case
# check = "compression/affine"
# misconception = "range-excludes-zero"
# about = "the range is taken as it comes, the zero point clamped"
# ///

# %% affine
def affine(lo, hi, bits):
    scale = (hi - lo) / (2**bits - 1) or 1.0
    return scale, min(max(round(-lo / scale), 0), 2**bits - 1)
