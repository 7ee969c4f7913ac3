# /// case
# check = "defects/interval"
# about = "the same recall for each"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return (hits.sum() / bad.sum()).expand(len(drawn))
