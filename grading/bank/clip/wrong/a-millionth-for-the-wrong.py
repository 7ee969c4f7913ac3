# /// case
# check = "clip/recall"
# misconception = "ties-by-position"
# about = "breaks ties with a millionth, which large numbers swallow"
# ///

# %% hits
def hits(similarity, relevant, k):
    found = (similarity - 1e-6 * relevant).topk(k, dim=1).indices
    return relevant.gather(1, found).any(1)
