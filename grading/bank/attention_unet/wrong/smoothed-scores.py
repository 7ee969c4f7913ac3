# /// case
# check = "attention_unet/dice"
# about = "adds one above and below"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return (2 * both + 1) / (size + 1)
