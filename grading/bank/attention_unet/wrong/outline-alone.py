# /// case
# check = "attention_unet/outline"
# about = "the outline's pixels alone"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    mask[outline[:, 1], outline[:, 0]] = 1
    return mask.astype(bool)
