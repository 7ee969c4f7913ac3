# /// case
check = "compression/affine"
about = "always the same answer"
# ///

# %% affine
def affine(lo, hi, bits):
    return 1.0, 0
