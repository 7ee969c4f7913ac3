# /// case
# check = "clip/loss"
# misconception = "duplicates-as-targets"
# about = "the target is spread over all pairs of a caption"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = (caption[:, None] == caption).to(logits)
    target = same / same.sum(1, keepdim=True)
    return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2
