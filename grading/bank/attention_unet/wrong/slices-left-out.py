# /// case
# check = "attention_unet/outline"
# about = "areas added, not multiplied by the distance of slices"
# ///

# %% volume
def volume(mask, spacing):
    return float(mask.sum() * spacing[1] * spacing[2])
