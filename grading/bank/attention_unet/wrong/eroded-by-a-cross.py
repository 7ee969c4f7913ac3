# /// case
# check = "attention_unet/outline"
# about = "outline pixels at a concave right angle stay (outlines that step along rows and columns)"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    return ndimage.binary_erosion(mask, ndimage.generate_binary_structure(2, 1))
