# /// case
# check = "defects/threshold"
# about = "one defective cell too few"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if lower_bound(k, n, confidence) >= required:
            return caught[max(k - 2, 0)].item()
    return None
