# /// case
# check = "attention_unet/geometry"
# about = "int instead of round"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(int((p - o) / s) for p, o, s in zip(position, origin, spacing))[::-1]
