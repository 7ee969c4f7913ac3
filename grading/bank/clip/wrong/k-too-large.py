# /// case
# check = "clip/recall"
# about = "one place too many"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
    return ((similarity >= best) & ~relevant).sum(1) <= k
