# /// case
# check = "attention_unet/geometry"
# about = "positions from the scanner's own zero"
# ///

# %% voxel
def voxel(position, origin, spacing):
    return tuple(round(p / s) for p, s in zip(position, spacing))[::-1]
