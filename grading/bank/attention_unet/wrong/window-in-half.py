# /// case
# check = "attention_unet/geometry"
# about = "in half precision"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = stored.float() * slope + intercept
    return ((hu - low) / (high - low)).clamp(0, 1).half()
