# /// case
# check = "attention_unet/sliding"
# misconception = "last-window-missed"
# about = "what fits exactly is left out, too"
# ///

# %% starts
def starts(length, size, step):
    return list(range(0, length - size, step)) or [0]
