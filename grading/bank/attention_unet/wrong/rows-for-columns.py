# /// case
# check = "attention_unet/outline"
# misconception = "xyz-for-zyx"
# about = "x and y exchanged"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    outline = np.ascontiguousarray(outline[:, ::-1])
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    mask[outline[:, 1], outline[:, 0]] = 0
    return mask.astype(bool)
