# /// case
# check = "attention_unet/sliding"
# about = "whole steps counted from the end"
# ///

# %% starts
def starts(length, size, step):
    found = list(range(length - size, -1, -step))[::-1]
    return found if found[0] == 0 else [0, *found]
