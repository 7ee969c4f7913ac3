# /// case
# check = "clip/recall"
# misconception = "share-of-captions"
# about = "how many of the k are right"
# ///

# %% hits
def hits(similarity, relevant, k):
    found = relevant.gather(1, similarity.topk(k).indices).sum(1)
    return found / k
