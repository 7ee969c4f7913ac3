# /// case
# check = "clip/text"
# misconception = "mask-leaks-future"
# about = "the next token is seen, too"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    later = torch.ones(L, L, dtype=torch.bool).triu(2)
    return scores.masked_fill(later, -math.inf).softmax(-1) @ v
