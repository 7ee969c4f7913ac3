# /// case
# check = "attention_unet/geometry"
# about = "slope times stored plus intercept"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return ((slope * (stored.float() + intercept) - low) / (high - low)).clamp(0, 1)
