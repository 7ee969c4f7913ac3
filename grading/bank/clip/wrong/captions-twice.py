# /// case
# check = "clip/recall"
# misconception = "same-direction-twice"
# about = "both from captions to pictures"
# ///

# %% recall
def recall(similarity, relevant, k):
    share = hits(similarity.T, relevant.T, k).double().mean()
    return share, share
