# /// case
# check = "clip/recall"
# about = "always True"
# ///

# %% hits
def hits(similarity, relevant, k):
    return torch.ones(len(similarity), dtype=torch.bool)
