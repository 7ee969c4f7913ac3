# /// case
# check = "clip/recall"
# misconception = "same-direction-twice"
# about = "nothing is transposed"
# ///

# %% recall
def recall(similarity, relevant, k):
    share = hits(similarity, relevant, k).float().mean().item()
    return share, share
