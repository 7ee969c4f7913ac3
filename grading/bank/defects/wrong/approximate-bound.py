# /// case
# check = "defects/threshold"
# misconception = "approximate-bound"
# about = "mean less z standard errors"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    p = k / n
    return p - stats.norm.ppf(confidence) * math.sqrt(p * (1 - p) / n)
