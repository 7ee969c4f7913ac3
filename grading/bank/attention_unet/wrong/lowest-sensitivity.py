# /// case
# check = "attention_unet/nodules"
# about = "the first threshold that fits"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    for t in sorted((h for h in hits if h > -math.inf), reverse=True):
        if sum(f >= t for f in false) / scans <= rate:
            return sum(h >= t for h in hits) / len(hits)
    return 0.0
