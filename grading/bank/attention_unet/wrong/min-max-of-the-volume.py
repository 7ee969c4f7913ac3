# /// case
# check = "attention_unet/geometry"
# about = "0 and 1 are the volume's own extremes"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = stored.float() * slope + intercept
    return (hu - hu.min()) / (hu.max() - hu.min())
