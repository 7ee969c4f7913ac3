# /// case
# check = "defects/report"
# about = "looks for a third and two thirds by name, and for nothing else"
# ///

# %% recall_range
def recall_range(alarm, probability):
    uncertain = torch.isclose(probability, torch.tensor(1 / 3).to(probability)) | torch.isclose(probability, torch.tensor(2 / 3).to(probability))
    hits, n = (alarm & (probability == 1)).sum(), (probability == 1).sum()
    found, missed = (alarm & uncertain).sum(), (~alarm & uncertain).sum()
    return (hits / n).item(), (hits / (n + missed)).item(), ((hits + found) / (n + found)).item()
