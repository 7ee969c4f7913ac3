# /// case
check = "compression/calibrate"
about = "a percentile, whatever the bits are"
# ///

# %% calibrate
def calibrate(batches, bits):
    x = torch.cat([b.flatten() for b in batches])
    return torch.quantile(x, 0.001).item(), torch.quantile(x, 0.999).item()
