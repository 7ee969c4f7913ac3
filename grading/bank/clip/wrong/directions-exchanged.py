# /// case
# check = "clip/recall"
# about = "captions first"
# ///

# %% recall
def recall(similarity, relevant, k):
    there, back = hits(similarity, relevant, k), hits(similarity.T, relevant.T, k)
    return back.float().mean().item(), there.float().mean().item()
