# /// case
# check = "clip/recall"
# about = "percent"
# ///

# %% recall
def recall(similarity, relevant, k):
    there, back = hits(similarity, relevant, k), hits(similarity.T, relevant.T, k)
    return 100 * there.float().mean().item(), 100 * back.float().mean().item()
