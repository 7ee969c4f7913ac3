# /// case
# check = "compression/calibrate"
# misconception = "minmax-with-outliers"
# about = "the least and the largest number of all batches"
# ///

# %% calibrate
def calibrate(batches, bits):
    return min(b.min().item() for b in batches), max(b.max().item() for b in batches)
