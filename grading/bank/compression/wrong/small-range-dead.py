# /// case
check = "compression/affine"
about = "a narrow range is taken for a dead channel"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if hi - lo < 1e-1:
        return 1.0, 0
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-lo / scale)
