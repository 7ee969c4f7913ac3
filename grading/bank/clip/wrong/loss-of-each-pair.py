# /// case
# check = "clip/loss"
# about = "a loss for each pair"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right, reduction="none") + nn.functional.cross_entropy(logits.T, right, reduction="none")) / 2
