# /// case
# check = "attention_unet/nodules"
# about = "a missed finding is hit at the lowest threshold"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    best = 0.0
    for t in [*hits, -math.inf]:
        if sum(f >= t for f in false) / scans <= rate:
            best = max(best, sum(h >= t for h in hits) / len(hits))
    return best
