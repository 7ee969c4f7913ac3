# /// case
# check = "clip/recall"
# about = "the queries are taken for candidates"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(0, keepdim=True)
    return ((similarity >= best) & ~relevant).sum(0) < k
