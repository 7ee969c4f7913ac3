# /// case
# check = "attention_unet/geometry"
# about = "not a whole number"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple((p - o) / s for p, o, s in zip(position, origin, spacing))[::-1]
