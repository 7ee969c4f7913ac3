# /// case
# check = "defects/threshold"
# about = "99.9 %, whatever is asked for"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, 0.999) >= required:
            return caught[k - 1].item()
    return None
