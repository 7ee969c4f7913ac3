# /// case
# check = "defects/report"
# about = "the highest one without its cells in the denominator"
# ///

# %% recall_range
def recall_range(alarm, probability):
    uncertain = (probability > 0) & (probability < 1)
    hits, n = (alarm & (probability == 1)).sum(), (probability == 1).sum()
    found, missed = (alarm & uncertain).sum(), (~alarm & uncertain).sum()
    return (hits / n).item(), (hits / (n + missed)).item(), ((hits + found) / n).item()
