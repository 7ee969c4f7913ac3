# /// case
# check = "attention_unet/dice"
# about = "intersection over union"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return torch.where(size == 0, 1.0, both / (size - both))
