# /// case
# check = "clip/loss"
# about = "each pair a question of its own"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    sign = 2 * torch.eye(len(logits)).to(logits) - 1
    return -nn.functional.logsigmoid(sign * logits).masked_fill(same, 0.0).sum() / len(logits)
