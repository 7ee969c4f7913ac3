# /// case
check = "compression/affine"
about = "lo = hi is taken for a dead channel before the range is widened"
# ///

# %% affine
def affine(lo, hi, bits):
    if lo == hi:
        return 1.0, 0
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-lo / scale)
