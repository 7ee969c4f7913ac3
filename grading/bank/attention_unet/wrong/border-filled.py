# /// case
# check = "attention_unet/outline"
# misconception = "border-filled"
# about = "cv2.fillPoly as it is"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    return mask.astype(bool)
