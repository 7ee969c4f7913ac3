# /// case
# check = "clip/loss"
# misconception = "softmax-twice"
# about = "probabilities in the place of logits"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits.softmax(1), right) + nn.functional.cross_entropy(logits.T.softmax(1), right)) / 2
