# /// case
# check = "defects/threshold"
# about = "a hair above the score, so that this very cell is not found"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return float(caught[k - 1]) + 1e-7 * abs(float(caught[k - 1]))
    return None
