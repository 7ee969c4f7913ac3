# /// case
# check = "attention_unet/outline"
# about = "nothing is ever inside"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    return mask.astype(bool)
