# /// case
# check = "attention_unet/geometry"
# about = "neither divided nor turned round: two mistakes, no name"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round(p - o) for p, o in zip(position, origin))
