# /// case
# check = "clip/loss"
# about = "masked in one direction"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    masked = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(masked, right) + nn.functional.cross_entropy(logits.T, right)) / 2
