# /// case
# check = "defects/interval"
# misconception = "blocks-counted-once"
# about = "a block is in or not"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    chosen = [torch.isin(block, row) & defective for row in drawn]
    return torch.stack([alarm[cells].double().mean() for cells in chosen])
