# /// case
# check = "clip/recall"
# about = "always False"
# ///

# %% hits
def hits(similarity, relevant, k):
    return torch.zeros(len(similarity), dtype=torch.bool)
