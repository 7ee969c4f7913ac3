# /// case
# check = "clip/loss"
# misconception = "duplicates-punished"
# about = "caption is not looked at"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
