# /// case
# check = "attention_unet/dice"
# about = "one Dice for all volumes"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return torch.full((len(both),), 1.0 if size.sum() == 0 else float(2 * both.sum() / size.sum()))
