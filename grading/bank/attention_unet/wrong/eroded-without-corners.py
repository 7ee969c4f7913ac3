# /// case
# check = "attention_unet/outline"
# about = "erodes by a square, which takes more than the outline"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    return ndimage.binary_erosion(mask, np.ones((3, 3)))
