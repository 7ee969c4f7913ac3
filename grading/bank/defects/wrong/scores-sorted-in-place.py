# /// case
# check = "defects/threshold"
# about = "sorts what it was given"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    score.copy_(score.sort().values)
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return None
