# /// case
# check = "attention_unet/geometry"
# about = "always (0, 0, 0)"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return 0, 0, 0
