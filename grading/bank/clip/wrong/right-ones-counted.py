# /// case
# check = "clip/recall"
# about = "counts right ones that tie with the best as rivals"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
    return (similarity >= best).sum(1) <= k
