# /// case
# check = "clip/recall"
# about = "hides wrong candidates in the caller's tensor"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
    found = ((similarity >= best) & ~relevant).sum(1) < k
    similarity[~relevant] = -math.inf
    return found
