# /// case
# check = "clip/loss"
# about = "looks for duplicates among neighbours"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = torch.zeros_like(logits, dtype=torch.bool)
    next_one = caption[1:] == caption[:-1]
    same.diagonal(1).copy_(next_one)
    same.diagonal(-1).copy_(next_one)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
