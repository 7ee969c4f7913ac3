# /// case
# check = "defects/threshold"
# about = "NaN where nothing was hit"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return float(stats.beta.ppf(1 - confidence, k, n - k + 1))
