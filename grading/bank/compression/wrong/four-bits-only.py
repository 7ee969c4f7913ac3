# /// case
check = "compression/calibrate"
about = "the range that is best on 4 bits"
# ///

# %% calibrate
def calibrate(batches, bits):
    x = torch.cat([b.flatten() for b in batches])
    lo, hi = x.min().item(), x.max().item()
    best, least = (lo, hi), math.inf
    for share in torch.linspace(0.01, 1.0, 100).tolist():
        scale, zero_point = affine(share * lo, share * hi, 4)
        error = (dequantise(quantise(x, scale, zero_point, 4), scale, zero_point) - x).square().mean().item()
        if error < least:
            best, least = (share * lo, share * hi), error
    return best
