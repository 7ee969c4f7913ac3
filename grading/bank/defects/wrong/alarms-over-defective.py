# /// case
# check = "defects/interval"
# about = "alarms of sound cells count as hits"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=alarm.double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return hits[drawn].sum(1) / bad[drawn].sum(1)
