# /// case
# check = "clip/loss"
# misconception = "directions-added"
# about = "the sum of both"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)
