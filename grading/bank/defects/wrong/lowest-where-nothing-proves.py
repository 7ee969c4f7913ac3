# /// case
# check = "defects/threshold"
# about = "the lowest score where nothing proves enough"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return caught[-1].item()
