# /// case
# check = "attention_unet/geometry"
# about = "times the spacing"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round((p - o) * s) for p, o, s in zip(position, origin, spacing))[::-1]
