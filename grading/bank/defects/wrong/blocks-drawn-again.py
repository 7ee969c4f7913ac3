# /// case
# check = "defects/interval"
# about = "draws cells of its own"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    found = alarm[defective].double()
    return torch.stack([found[torch.randint(len(found), (len(found),))].mean() for _ in drawn])
