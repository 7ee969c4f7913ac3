# /// case
# check = "defects/threshold"
# about = "n is the number of all cells"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(score)
    for k in range(1, len(caught) + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return None
