# /// case
# check = "attention_unet/nodules"
# misconception = "missed-left-out"
# about = "the share of those that are found at all"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    hits = [h for h in hits if h > -math.inf]
    best = 0.0
    for t in hits:
        if sum(f >= t for f in false) / scans <= rate:
            best = max(best, sum(h >= t for h in hits) / len(hits))
    return best
