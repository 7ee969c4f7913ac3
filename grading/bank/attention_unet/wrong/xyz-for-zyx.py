# /// case
# check = "attention_unet/geometry"
# misconception = "xyz-for-zyx"
# about = "the index in the order x, y, z"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round((p - o) / s) for p, o, s in zip(position, origin, spacing))
