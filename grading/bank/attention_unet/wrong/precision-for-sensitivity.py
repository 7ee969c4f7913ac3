# /// case
# check = "attention_unet/nodules"
# about = "the share of right ones among candidates"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    best = 0.0
    for t in hits:
        n = sum(f >= t for f in false)
        if t > -math.inf and n / scans <= rate:
            best = max(best, sum(h >= t for h in hits) / (n + sum(h >= t for h in hits)))
    return best
