# /// case
# check = "attention_unet/nodules"
# about = "voxels that share a corner alone are joined (docstring: a side)"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    mask = probability > threshold
    labels, k = ndimage.label(mask, np.ones((3, 3, 3)))
    ids = range(1, k + 1)
    found = [(tuple((np.argwhere(labels == i).mean(0) * spacing).tolist()), float(probability[labels == i].max())) for i in ids]
    return sorted(found, key=lambda c: -c[1])
