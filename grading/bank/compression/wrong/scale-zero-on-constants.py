# /// case
# check = "compression/affine"
# misconception = "scale-zero-on-constants"
# about = "divides by zero where there is nothing but zeros"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-lo / scale)
