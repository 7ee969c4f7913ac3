# /// case
# check = "defects/threshold"
# misconception = "threshold-without-bound"
# about = "the quantile of the defective scores"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort(descending=True).values
    return caught[max(math.ceil(required * len(caught)) - 1, 0)].item()
