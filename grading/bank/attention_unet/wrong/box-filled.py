# /// case
# check = "attention_unet/outline"
# about = "all of the box that the outline fits in"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    x0, y0 = outline.min(0)
    x1, y1 = outline.max(0)
    mask[y0 + 1 : y1, x0 + 1 : x1] = 1
    return mask.astype(bool)
