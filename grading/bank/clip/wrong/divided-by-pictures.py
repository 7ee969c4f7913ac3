# /// case
# check = "clip/recall"
# about = "both are divided by the number of pictures"
# ///

# %% recall
def recall(similarity, relevant, k):
    there, back = hits(similarity, relevant, k), hits(similarity.T, relevant.T, k)
    return there.sum().item() / len(similarity), back.sum().item() / len(similarity)
