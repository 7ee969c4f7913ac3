# /// case
# check = "defects/report"
# about = "recall with P as weights"
# ///

# %% recall_range
def recall_range(alarm, probability):
    uncertain = (probability > 0) & (probability < 1)
    hits, n = (alarm & (probability == 1)).sum(), (probability == 1).sum()
    found, missed = (alarm & uncertain).sum(), (~alarm & uncertain).sum()
    return ((alarm * probability).sum() / probability.sum()).item(), (hits / (n + missed)).item(), ((hits + found) / (n + found)).item()
