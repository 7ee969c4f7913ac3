# /// case
# check = "clip/text"
# about = "a softmax that overflows for large scores"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    weights = scores.exp().tril()
    return weights / weights.sum(-1, keepdim=True) @ v
