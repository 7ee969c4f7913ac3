# /// case
# check = "clip/text"
# about = "a token does not see itself"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return scores.masked_fill(torch.ones(L, L).triu().bool(), -1e9).softmax(-1) @ v
