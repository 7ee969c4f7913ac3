# /// case
# check = "defects/threshold"
# about = "the share of all cells above"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score.sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return None
