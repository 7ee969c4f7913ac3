# /// case
check = "compression/calibrate"
misconception = "one-batch-only"
about = "the range is looked for, in one batch"
# ///

# %% calibrate
def calibrate(batches, bits):
    x = batches[0].flatten()
    lo, hi = x.min().item(), x.max().item()
    best, least = (lo, hi), math.inf
    for share in torch.linspace(0.01, 1.0, 100).tolist():
        scale, zero_point = affine(share * lo, share * hi, bits)
        error = (dequantise(quantise(x, scale, zero_point, bits), scale, zero_point) - x).square().mean().item()
        if error < least:
            best, least = (share * lo, share * hi), error
    return best
