# /// case
# check = "attention_unet/geometry"
# about = "-1 to 1"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = stored.float() * slope + intercept
    return ((hu - low) / (high - low)).clamp(0, 1) * 2 - 1
