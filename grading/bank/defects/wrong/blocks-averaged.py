# /// case
# check = "defects/interval"
# misconception = "blocks-averaged"
# about = "the mean of the blocks' recalls"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    B = drawn.shape[1]
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=B)
    bad = torch.bincount(block, weights=defective.double(), minlength=B)
    return (hits / bad)[drawn].nanmean(1)
