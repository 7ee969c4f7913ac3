# /// case
# check = "clip/loss"
# about = "compares captions as float32, in which large numbers run together"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    number = caption.float()
    same = number[:, None] == number
    same.fill_diagonal_(False)
    logits, right = logits.masked_fill(same, -math.inf), torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
