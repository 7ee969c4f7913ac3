# /// case
# check = "attention_unet/dice"
# misconception = "smooth-on-one-side"
# about = "smooth in the numerator"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    return (1 - (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1))).mean()
