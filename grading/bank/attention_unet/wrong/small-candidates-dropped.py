# /// case
# check = "attention_unet/nodules"
# about = "fewer than 10 voxels are taken for noise"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    mask = probability > threshold
    labels, k = ndimage.label(mask)
    ids = [i for i in range(1, k + 1) if (labels == i).sum() >= 10]
    found = [(tuple((np.argwhere(labels == i).mean(0) * spacing).tolist()), float(probability[labels == i].max())) for i in ids]
    return sorted(found, key=lambda c: -c[1])
