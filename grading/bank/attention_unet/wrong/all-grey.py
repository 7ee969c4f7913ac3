# /// case
# check = "attention_unet/geometry"
# about = "always one half"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return torch.full(stored.shape, 0.5)
