# /// case
# check = "clip/text"
# about = "computed without recording gradients"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    later = torch.ones(L, L).triu(1).bool()
    return (scores.masked_fill(later, -math.inf).softmax(-1) @ v).detach()
