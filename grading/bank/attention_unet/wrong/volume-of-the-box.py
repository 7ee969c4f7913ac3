# /// case
# check = "attention_unet/outline"
# about = "the volume of the array"
# ///

# %% volume
def volume(mask, spacing):
    return float(mask.size * np.prod(spacing))
