# /// case
# check = "attention_unet/geometry"
# misconception = "mm-for-voxels"
# about = "millimetres rounded"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round(p - o) for p, o in zip(position, origin))[::-1]
