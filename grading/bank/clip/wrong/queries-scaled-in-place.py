# /// case
# check = "clip/text"
# about = "divides the caller's q"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    with torch.no_grad():
        q /= math.sqrt(D)
    later = torch.ones(L, L).triu(1).bool()
    return (q @ k.mT).masked_fill(later, -math.inf).softmax(-1) @ v
