# /// case
# check = "clip/text"
# about = "a mask of ones and zeros is added to the scores"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return (scores + torch.ones(L, L).to(q).tril()).softmax(-1) @ v
