# /// case
# check = "attention_unet/nodules"
# misconception = "false-in-total"
# about = "not divided by scans"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    best = 0.0
    for t in hits:
        if t > -math.inf and sum(f >= t for f in false) <= rate:
            best = max(best, sum(h >= t for h in hits) / len(hits))
    return best
