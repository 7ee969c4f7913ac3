# /// case
# check = "clip/recall"
# misconception = "ties-by-position"
# about = "topk decides"
# ///

# %% hits
def hits(similarity, relevant, k):
    return relevant.gather(1, similarity.topk(k).indices).any(1)
