# /// case
# check = "compression/affine"
# misconception = "range-excludes-zero"
# about = "the range is taken as it comes, and the zero point leaves the grid"
# ///

# %% affine
def affine(lo, hi, bits):
    scale = (hi - lo) / (2**bits - 1) or 1.0
    return scale, round(-lo / scale)
