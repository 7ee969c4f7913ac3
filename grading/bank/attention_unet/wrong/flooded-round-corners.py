# /// case
# check = "attention_unet/outline"
# about = "slips through the outline's diagonals"
# ///

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    mask[outline[:, 1], outline[:, 0]] = 1
    padded = np.pad(mask, 1)
    regions, _ = ndimage.label(padded == 0, np.ones((3, 3)))
    return ((regions != regions[0, 0]) & (padded == 0))[1:-1, 1:-1]
