# /// case
# check = "attention_unet/nodules"
# about = "not divided by the number of findings"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    best = 0.0
    for t in hits:
        if t > -math.inf and sum(f >= t for f in false) / scans <= rate:
            best = max(best, float(sum(h >= t for h in hits)))
    return best
