# /// case
# check = "clip/recall"
# about = "one number for both"
# ///

# %% recall
def recall(similarity, relevant, k):
    there, back = hits(similarity, relevant, k), hits(similarity.T, relevant.T, k)
    return (there.float().mean().item() + back.float().mean().item()) / 2
