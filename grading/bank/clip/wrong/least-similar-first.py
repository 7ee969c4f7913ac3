# /// case
# check = "clip/recall"
# about = "ranked the other way round"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, math.inf).amin(1, keepdim=True)
    return ((similarity <= best) & ~relevant).sum(1) < k
