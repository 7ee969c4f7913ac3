# /// case
# check = "defects/threshold"
# misconception = "approximate-bound"
# about = "half a hit and half a miss more"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return float(stats.beta.ppf(1 - confidence, k + 0.5, n - k + 0.5))
