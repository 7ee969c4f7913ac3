# /// case
# check = "defects/report"
# about = "P above 0.95 is taken for certain"
# ///

# %% recall_range
def recall_range(alarm, probability):
    sure, unsure = probability > 0.95, (probability > 0.05) & (probability <= 0.95)
    hits, n = int((alarm & sure).sum()), int(sure.sum())
    found, missed = int((alarm & unsure).sum()), int((~alarm & unsure).sum())
    return hits / n, hits / (n + missed), (hits + found) / (n + found)
