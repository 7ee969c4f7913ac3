# /// case
# check = "clip/text"
# about = "divided by D, not by its root"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    later = torch.ones(L, L).triu(1).bool()
    return (q @ k.mT / D).masked_fill(later, -math.inf).softmax(-1) @ v
