# /// case
# check = "attention_unet/dice"
# misconception = "empty-mask"
# about = "NaN becomes 0"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return torch.nan_to_num(2 * both / size)
