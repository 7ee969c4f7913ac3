# /// case
# check = "defects/threshold"
# about = "scores of float64 are rounded to float32"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return float(caught[k - 1].float())
    return None
