# /// case
# check = "attention_unet/geometry"
# about = "the intercept that most files have, written in"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = stored.float() - 1024
    return ((hu - low) / (high - low)).clamp(0, 1)
