# /// case
# check = "defects/threshold"
# misconception = "threshold-without-bound"
# about = "the recall that was seen"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    n = len(caught)
    for k in range(1, n + 1):
        if k / n >= required:
            return caught[k - 1].item()
    return None
