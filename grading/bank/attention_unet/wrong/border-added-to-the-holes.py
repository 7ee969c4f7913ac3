# /// case
# check = "attention_unet/outline"
# misconception = "border-filled"
# about = "fills holes of the drawn outline"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    mask[outline[:, 1], outline[:, 0]] = 1
    return ndimage.binary_fill_holes(mask)
