# /// case
# check = "attention_unet/nodules"
# about = "connected within a slice alone"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    found = []
    for z, plane in enumerate(probability):
        labels, count = ndimage.label(plane > threshold)
        for k in range(1, count + 1):
            y, x = np.argwhere(labels == k).mean(0)
            found.append(((z * spacing[0], float(y) * spacing[1], float(x) * spacing[2]), float(plane[labels == k].max())))
    return sorted(found, key=lambda c: -c[1])
