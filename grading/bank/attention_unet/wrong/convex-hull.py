# /// case
# check = "attention_unet/outline"
# about = "the hull's inside"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [cv2.convexHull(outline.astype(np.int32))], 1)
    mask[outline[:, 1], outline[:, 0]] = 0
    return mask.astype(bool)
