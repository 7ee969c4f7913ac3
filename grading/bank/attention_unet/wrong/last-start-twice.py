# /// case
# check = "attention_unet/sliding"
# about = "the last window twice where it fits"
# ///

# %% starts
def starts(length, size, step):
    return [*range(0, length - size + 1, step), length - size]
