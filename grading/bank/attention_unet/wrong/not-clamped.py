# /// case
# check = "attention_unet/geometry"
# about = "air and bone stay beyond 0 and 1"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return (stored.float() * slope + intercept - low) / (high - low)
