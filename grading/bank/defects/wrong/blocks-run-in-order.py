# /// case
# check = "defects/interval"
# about = "takes the cells for sorted by block"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    block = block.sort().values
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return hits[drawn].sum(1) / bad[drawn].sum(1)
