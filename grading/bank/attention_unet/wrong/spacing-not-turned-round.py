# /// case
# check = "attention_unet/geometry"
# misconception = "xyz-for-zyx"
# about = "position and origin turned round, spacing not"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round((p - o) / s) for p, o, s in zip(position[::-1], origin[::-1], spacing))
