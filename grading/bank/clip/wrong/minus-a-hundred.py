# /// case
# check = "clip/loss"
# about = "leaves out with -100, which may be more than what stays"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits, right = logits.masked_fill(same, -100.0), torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
