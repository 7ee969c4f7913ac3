# /// case
# check = "clip/loss"
# misconception = "duplicates-as-targets"
# about = "the probability of all pairs of a caption together"
# ///

# %% clip_loss
def clip_loss(logits, caption):
    same = caption[:, None] == caption
    both = [x.log_softmax(1).masked_fill(~same, -math.inf).logsumexp(1) for x in (logits, logits.T)]
    return -(both[0] + both[1]).mean() / 2
