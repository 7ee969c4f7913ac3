# /// case
# check = "attention_unet/outline"
# about = "voxels taken for cubes"
# ///

# %% volume
def volume(mask, spacing):
    return float(mask.sum() * spacing[1] ** 3)
