# /// case
# check = "attention_unet/dice"
# about = "the share of voxels that agree"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    return (predicted == target).flatten(1).float().mean(1)
