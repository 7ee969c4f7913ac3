# /// case
# check = "defects/interval"
# about = "0 where nothing is defective"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return (hits[drawn].sum(1) / bad[drawn].sum(1)).nan_to_num()
