# /// case
# check = "clip/recall"
# about = "turns its arguments round in place"
# ///

# %% recall
def recall(similarity, relevant, k):
    there = hits(similarity, relevant, k).float().mean().item()
    similarity.t_(), relevant.t_()
    return there, hits(similarity, relevant, k).float().mean().item()
