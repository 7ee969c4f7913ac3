# /// case
# check = "defects/threshold"
# about = "each score counts once, however many cells have it"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].unique().flip(0)
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[k - 1].item()
    return None
