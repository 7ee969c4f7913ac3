# /// case
# check = "clip/recall"
# about = "counts, not shares"
# ///

# %% recall
def recall(similarity, relevant, k):
    return int(hits(similarity, relevant, k).sum()), int(hits(similarity.T, relevant.T, k).sum())
