# /// case
# check = "attention_unet/nodules"
# misconception = "voxels-for-nodules"
# about = "each voxel above the threshold, unsorted and in voxels"
# ///

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    return [(tuple(v.tolist()), float(probability[tuple(v)])) for v in np.argwhere(probability > threshold)]
