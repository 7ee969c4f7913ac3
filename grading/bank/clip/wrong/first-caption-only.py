# /// case
# check = "clip/recall"
# misconception = "first-caption-only"
# about = "the first right answer of each row"
# ///

# %% hits
def hits(similarity, relevant, k):
    first = relevant.int().argmax(1, keepdim=True)
    mine = similarity.gather(1, first)
    wrong = torch.ones_like(relevant).scatter(1, first, False)
    return ((similarity >= mine) & wrong).sum(1) < k
