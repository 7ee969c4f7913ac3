# /// case
# check = "defects/threshold"
# about = "the upper bound"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return float(stats.beta.ppf(confidence, k + 1, n - k)) if k < n else 1.0
