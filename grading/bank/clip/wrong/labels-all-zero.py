# /// case
# check = "clip/loss"
# misconception = "labels-all-zero"
# about = "as in MoCo"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    right = torch.zeros_like(right)
    rows, columns = nn.functional.cross_entropy(logits, right), nn.functional.cross_entropy(logits.T, right)
    return (rows + columns) / 2
