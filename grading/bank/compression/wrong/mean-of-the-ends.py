# /// case
check = "compression/calibrate"
about = "the ends of all batches, averaged"
# ///

# %% calibrate
def calibrate(batches, bits):
    lows, highs = [b.min().item() for b in batches], [b.max().item() for b in batches]
    return sum(lows) / len(lows), sum(highs) / len(highs)
