# /// case
# check = "attention_unet/geometry"
# about = "the spacing of x for all axes"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round((p - o) / spacing[0]) for p, o in zip(position, origin))[::-1]
