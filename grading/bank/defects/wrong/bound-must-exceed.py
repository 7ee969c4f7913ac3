# /// case
# check = "defects/threshold"
# about = "more than required, not at least, and half-way to the next"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return (caught[k - 1] + caught[min(k, n - 1)]).item() / 2
    return None
