# /// case
# check = "attention_unet/outline"
# misconception = "mm-for-voxels"
# about = "the number of voxels"
# ///

# %% volume
def volume(mask, spacing):
    return float(mask.sum())
