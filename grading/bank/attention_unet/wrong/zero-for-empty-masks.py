# /// case
# check = "attention_unet/dice"
# misconception = "empty-mask"
# about = "a small number below the line alone"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    both = (predicted & target).flatten(1).sum(1)
    size = predicted.flatten(1).sum(1) + target.flatten(1).sum(1)
    return 2 * both / (size + 1e-8)
