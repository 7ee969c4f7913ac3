# /// case
# check = "attention_unet/outline"
# about = "a bay at the picture's edge without a corner counts as inside"
# ///

# %% inside
def inside(outline, shape):
    drawn = np.zeros(shape, bool)
    drawn[outline[:, 1], outline[:, 0]] = True
    regions, _ = ndimage.label(~drawn)
    outside = {regions[i, j] for i in (0, -1) for j in (0, -1)} | {0}
    return ~np.isin(regions, list(outside))
