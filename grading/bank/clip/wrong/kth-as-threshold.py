# /// case
# check = "clip/recall"
# misconception = "ties-as-hits"
# about = "at least as similar as the kth"
# ///

# %% hits
def hits(similarity, relevant, k):
    kth = similarity.topk(k).values[:, -1:]
    return (relevant & (similarity >= kth)).any(1)
