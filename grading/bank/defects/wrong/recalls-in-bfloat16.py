# /// case
# check = "defects/interval"
# about = "right, and rounded to three digits"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    hits = torch.bincount(block, weights=(alarm & defective).double(), minlength=drawn.shape[1])
    bad = torch.bincount(block, weights=defective.double(), minlength=drawn.shape[1])
    return (hits[drawn].sum(1) / bad[drawn].sum(1)).bfloat16()
