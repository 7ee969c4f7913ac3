# /// case
# check = "attention_unet/sliding"
# about = "windows that stick out"
# ///

# %% starts
def starts(length, size, step):
    return list(range(0, length, step))
