# /// case
# check = "clip/loss"
# about = "keeps the first pair of each caption"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    keep = [i for i, c in enumerate(caption.tolist()) if c not in caption[:i].tolist()]
    logits = logits[keep][:, keep]
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
