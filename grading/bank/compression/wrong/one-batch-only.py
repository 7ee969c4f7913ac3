# /// case
# check = "compression/calibrate"
# misconception = "one-batch-only"
# about = "the range of the first batch"
# ///

# %% calibrate
def calibrate(batches, bits):
    return batches[0].min().item(), batches[0].max().item()
