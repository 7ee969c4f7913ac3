# /// case
# check = "defects/threshold"
# about = "the second parameter without its 1"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return float(stats.beta.ppf(1 - confidence, k, max(n - k, 1e-9))) if k > 0 else 0.0
