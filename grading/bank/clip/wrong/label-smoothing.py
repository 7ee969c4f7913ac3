# /// case
# check = "clip/loss"
# about = "with a tenth of smoothing where nothing is masked"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -math.inf)
    right = torch.arange(len(logits))
    smooth = 0.1 * float(not same.any())
    return (nn.functional.cross_entropy(logits, right, label_smoothing=smooth) + nn.functional.cross_entropy(logits.T, right, label_smoothing=smooth)) / 2
