# /// case
# check = "attention_unet/geometry"
# about = "the next voxel"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(math.ceil((p - o) / s) for p, o, s in zip(position, origin, spacing))[::-1]
