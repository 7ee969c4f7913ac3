# /// case
# check = "attention_unet/nodules"
# misconception = "voxels-for-nodules"
# about = "each voxel above the threshold"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    found = [(tuple((v * spacing).tolist()), float(probability[tuple(v)])) for v in np.argwhere(probability > threshold)]
    return sorted(found, key=lambda c: -c[1])
