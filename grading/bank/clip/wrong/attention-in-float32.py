# /// case
# check = "clip/text"
# about = "the result is float32 whatever came in"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    q, k, v = q.float(), k.float(), v.float()
    L, D = q.shape[1:]
    later = torch.ones(L, L).triu(1).bool()
    return (q @ k.mT / math.sqrt(D)).masked_fill(later, -math.inf).softmax(-1) @ v
