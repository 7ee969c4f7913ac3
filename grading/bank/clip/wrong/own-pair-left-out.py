# /// case
# check = "clip/loss"
# misconception = "own-pair-left-out"
# about = "the diagonal is masked, too"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    logits = logits.masked_fill(caption[:, None] == caption, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
