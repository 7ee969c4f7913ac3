# /// case
# check = "attention_unet/nodules"
# about = "between thresholds, as LUNA16 reads its curve"
# ///

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    h, f = np.array(hits), np.array(false)
    ts = np.unique(np.concatenate([h[h > -np.inf], f]))[::-1]
    if not len(ts):
        return 0.0
    x = np.r_[0.0, [(f >= t).sum() / scans for t in ts]]
    y = np.r_[0.0, [(h >= t).mean() for t in ts]]
    return float(np.interp(rate, x, y))
