# /// case
# check = "clip/recall"
# misconception = "ties-by-position"
# about = "a stable sort decides"
# ///

# %% hits
def hits(similarity, relevant, k):
    return relevant.gather(1, similarity.sort(dim=1, descending=True, stable=True).indices[:, :k]).any(1)
