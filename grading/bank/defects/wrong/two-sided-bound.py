# /// case
# check = "defects/threshold"
# misconception = "two-sided-bound"
# about = "the lower end of a two-sided interval"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return stats.binomtest(k, n).proportion_ci(confidence, method="exact").low
