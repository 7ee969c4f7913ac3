# /// case
# check = "attention_unet/dice"
# about = "logits for probabilities"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = logits.flatten(1), target.flatten(1)
    return (1 - (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)).mean()
