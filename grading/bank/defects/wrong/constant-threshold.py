# /// case
# check = "defects/threshold"
# about = "zero"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return 0.0
    return None
