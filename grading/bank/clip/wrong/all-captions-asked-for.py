# /// case
# check = "clip/recall"
# misconception = "all-captions-asked-for"
# about = "all right answers among the first k"
# ///

# %% hits
def hits(similarity, relevant, k):
    worst = similarity.masked_fill(~relevant, math.inf).amin(1, keepdim=True)
    return (((similarity >= worst) & ~relevant).sum(1) + relevant.sum(1)) <= k
