# /// case
# check = "defects/threshold"
# misconception = "approximate-bound"
# about = "Wilson's interval"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return stats.binomtest(k, n, alternative="greater").proportion_ci(confidence, method="wilson").low
