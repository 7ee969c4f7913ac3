# /// case
# check = "attention_unet/geometry"
# about = "the intercept alone"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return ((stored.float() + intercept - low) / (high - low)).clamp(0, 1)
