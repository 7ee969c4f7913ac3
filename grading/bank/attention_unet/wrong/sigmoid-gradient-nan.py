# /// case
# check = "attention_unet/dice"
# about = "1 / (1 + exp(-z)): the gradient is NaN for logits below -88"
# ///

# %% dice_loss
def dice_loss(logits, target, smooth):
    p, t = (1 / (1 + torch.exp(-logits))).flatten(1), target.flatten(1)
    return (1 - (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth)).mean()
