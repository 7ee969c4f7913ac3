# /// case
# check = "attention_unet/outline"
# about = "what cannot be reached from the first pixel"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    mask[outline[:, 1], outline[:, 0]] = 1
    regions, _ = ndimage.label(mask == 0)
    return (regions != regions[0, 0]) & (mask == 0)
