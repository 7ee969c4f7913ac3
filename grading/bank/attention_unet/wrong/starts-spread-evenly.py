# /// case
# check = "attention_unet/sliding"
# about = "steps made equal"
# ///

# %% starts
def starts(length, size, step):
    n = math.ceil((length - size) / step) + 1
    return [round(i * (length - size) / max(n - 1, 1)) for i in range(n)]
