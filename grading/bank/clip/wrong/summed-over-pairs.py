# /// case
# check = "clip/loss"
# about = "the sum over the pairs, not their mean"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right, reduction="sum") + nn.functional.cross_entropy(logits.T, right, reduction="sum")) / 2
