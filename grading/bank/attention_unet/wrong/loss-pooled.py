# /// case
# check = "attention_unet/dice"
# about = "one loss for the whole batch"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    return 1 - (2 * (p * t).sum() + smooth) / (p.sum() + t.sum() + smooth)
