# /// case
# check = "attention_unet/geometry"
# about = "the slope alone"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return ((stored.float() * slope - low) / (high - low)).clamp(0, 1)
