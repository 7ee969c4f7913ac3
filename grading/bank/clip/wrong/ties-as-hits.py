# /// case
# check = "clip/recall"
# misconception = "ties-as-hits"
# about = "only those that are more similar count"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
    return (similarity > best).sum(1) < k
