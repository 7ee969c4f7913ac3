# /// case
# check = "clip/recall"
# about = "ranks each candidate among all, right ones that tie with it included"
# ///

# %% hits
def hits(similarity, relevant, k):
    rank = (similarity[:, None, :] >= similarity[:, :, None]).sum(2)
    return ((rank <= k) & relevant).any(1)
