# /// case
# check = "defects/report"
# about = "highest before lowest"
# ///

# %% recall_range
def recall_range(alarm, probability):
    uncertain = (probability > 0) & (probability < 1)
    hits, n = (alarm & (probability == 1)).sum(), (probability == 1).sum()
    found, missed = (alarm & uncertain).sum(), (~alarm & uncertain).sum()
    return (hits / n).item(), ((hits + found) / (n + found)).item(), (hits / (n + missed)).item()
