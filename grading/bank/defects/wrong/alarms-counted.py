# /// case
# check = "defects/interval"
# about = "the share of alarms among all cells"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=alarm.double(), minlength=B)
    bad = torch.bincount(block, weights=torch.ones(len(block)).double(), minlength=B)
    return hits[drawn].sum(1) / bad[drawn].sum(1)
