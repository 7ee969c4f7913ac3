# /// case
# check = "clip/loss"
# about = "masks the caller's logits"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    with torch.no_grad():
        logits.masked_fill_(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
