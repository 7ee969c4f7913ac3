# /// case
# check = "clip/recall"
# misconception = "share-of-captions"
# about = "how many of the right answers are found"
# ///

# %% hits
def hits(similarity, relevant, k):
    at = ((similarity[:, None] >= similarity[:, :, None]) & ~relevant[:, None]).sum(2)
    better = ((similarity[:, None] > similarity[:, :, None]) & relevant[:, None]).sum(2)
    found = (at + better < k) & relevant
    return found.sum(1) / relevant.sum(1)
