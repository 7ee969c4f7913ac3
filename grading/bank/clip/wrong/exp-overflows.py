# /// case
# check = "clip/loss"
# about = "exponentials by hand"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    e = logits.exp()
    both = (e.diagonal() / e.sum(0)).log() + (e.diagonal() / e.sum(1)).log()
    return -both.mean() / 2
