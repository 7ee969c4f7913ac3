# /// case
# check = "attention_unet/geometry"
# about = "int(d + 0.5): positions before the origin land inside of the volume"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(int((p - o) / s + 0.5) for p, o, s in zip(position, origin, spacing))[::-1]
