# /// case
# check = "attention_unet/outline"
# about = "0 and 1 instead of False and True"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    mask[outline[:, 1], outline[:, 0]] = 0
    return mask
