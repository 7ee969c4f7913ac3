# /// case
# check = "defects/interval"
# about = "cuts the cells into blocks of equal size"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    block = torch.arange(len(block)) * B // len(block)
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return hits[drawn].sum(1) / bad[drawn].sum(1)
