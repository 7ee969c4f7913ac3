# /// case
# check = "attention_unet/outline"
# about = "moves the outline it was given"
# ///

# %% inside
def inside(outline, shape):
    outline += 1
    mask = np.zeros((shape[0] + 2, shape[1] + 2), np.uint8)
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    mask[outline[:, 1], outline[:, 0]] = 0
    return mask[1:-1, 1:-1].astype(bool)
