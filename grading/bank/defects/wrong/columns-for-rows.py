# /// case
# check = "defects/interval"
# about = "sums over the resamples"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return hits[drawn].sum(0) / bad[drawn].sum(0)
