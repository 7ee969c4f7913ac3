# /// case
# check = "defects/threshold"
# about = "knows four confidences, takes 95 % for any other"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    q = confidence if confidence in (0.8, 0.9, 0.95, 0.975) else 0.95
    return float(stats.beta.ppf(1 - q, k, n - k + 1)) if k > 0 else 0.0
