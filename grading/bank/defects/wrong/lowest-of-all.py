# /// case
# check = "defects/threshold"
# about = "catches every defective cell"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(n, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return None
