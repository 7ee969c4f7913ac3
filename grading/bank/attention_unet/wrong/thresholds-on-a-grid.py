# /// case
# check = "attention_unet/nodules"
# about = "1001 thresholds from 0 to 1: scores of 0.9991 and 0.9996 cannot be told apart, logits not at all"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    hits, false, best = np.array(hits), np.array(false), 0.0
    for t in np.linspace(0, 1, 1001):
        if (false >= t).sum() / scans <= rate:
            best = max(best, float((hits >= t).mean()))
    return best
