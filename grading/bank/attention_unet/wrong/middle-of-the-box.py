# /// case
# check = "attention_unet/nodules"
# about = "the box's middle"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    labels, count = ndimage.label(probability > threshold)
    found = []
    for k in range(1, count + 1):
        where = np.argwhere(labels == k)
        values = probability[labels == k]
        found.append((tuple(((where.min(0) + where.max(0)) / 2 * spacing).tolist()), float(values.max())))
    return sorted(found, key=lambda c: -c[1])
