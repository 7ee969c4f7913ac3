# /// case
# check = "attention_unet/dice"
# about = "float16 counts: inexact above 2048, inf above 65504"
# ///

# %% dice_scores
def dice_scores(predicted, target):
    a, b = predicted.flatten(1).half(), target.flatten(1).half()
    both, size = (a * b).sum(1), a.sum(1) + b.sum(1)
    return torch.where(size == 0, 1.0, 2 * both.float() / size.float())
