# /// case
# check = "clip/recall"
# about = "caption i belongs to picture i"
# ///

# %% hits
def hits(similarity, relevant, k):
    n = min(similarity.shape)
    mine = similarity[torch.arange(len(similarity)), torch.arange(len(similarity)).clamp(max=n - 1)]
    return (similarity > mine[:, None]).sum(1) < k
