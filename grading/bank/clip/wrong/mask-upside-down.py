# /// case
# check = "clip/text"
# misconception = "mask-upside-down"
# about = "hides what came before"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return scores.masked_fill(torch.ones(L, L).tril(-1).bool(), -math.inf).softmax(-1) @ v
