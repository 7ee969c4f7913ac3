# /// case
# check = "attention_unet/sliding"
# misconception = "last-window-missed"
# about = "only whole steps"
# ///

# %% starts
def starts(length, size, step):
    return list(range(0, length - size + 1, step))
