# /// case
# check = "attention_unet/dice"
# about = "1 wherever there is nothing to find, whatever was predicted"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return torch.where(target.flatten(1).sum(1) == 0, 1.0, 2 * both / size)
