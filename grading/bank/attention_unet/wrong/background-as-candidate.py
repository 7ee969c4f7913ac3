# /// case
# check = "attention_unet/nodules"
# about = "label 0 is one of them"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    labels, count = ndimage.label(probability > threshold)
    found = []
    for k in range(0, count + 1):
        where = np.argwhere(labels == k)
        values = probability[labels == k]
        found.append((tuple((where.mean(0) * spacing).tolist()), float(values.max())))
    return sorted(found, key=lambda c: -c[1])
