# /// case
# check = "defects/threshold"
# misconception = "accuracy-under-imbalance"
# about = "the threshold that is right most often"
# ///

# %% threshold
def threshold(score, defective, required, confidence):
    return max(score.tolist(), key=lambda t: int(((score >= t) == defective).sum()))
