# /// case
# check = "attention_unet/sliding"
# about = "the last window sticks out"
# ///

# %% starts
def starts(length, size, step):
    return list(range(0, length - size + step, step))
