# /// case
# check = "clip/recall"
# about = "takes -1 to be below every similarity"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = torch.where(relevant, similarity, -1.0).amax(1, keepdim=True)
    return ((similarity >= best) & ~relevant).sum(1) < k
