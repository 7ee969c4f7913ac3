# /// case
# check = "attention_unet/dice"
# about = "the mean over volumes that hold something"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    full = t.any(1)
    loss = 1 - (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)
    return loss[full].mean() if full.any() else 0 * loss.sum()
