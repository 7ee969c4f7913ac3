# /// case
# check = "attention_unet/dice"
# misconception = "smooth-on-one-side"
# about = "silence costs everything"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    return (1 - 2 * (p * t).sum(1) / (p.sum(1) + t.sum(1) + smooth)).mean()
