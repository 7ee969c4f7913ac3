# /// case
# check = "clip/recall"
# misconception = "ties-by-position"
# about = "a little noise decides"
# ///

# %% hits
def hits(similarity, relevant, k):
    noisy = similarity + 1e-4 * torch.rand_like(similarity)
    return relevant.gather(1, noisy.topk(k).indices).any(1)
