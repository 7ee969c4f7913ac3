# /// case
# check = "clip/text"
# misconception = "mask-upside-down"
# about = "the scores are masked by column, as if they were k qᵀ"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return scores.mT.masked_fill(torch.ones(L, L).triu(1).bool(), -math.inf).mT.softmax(-1) @ v
