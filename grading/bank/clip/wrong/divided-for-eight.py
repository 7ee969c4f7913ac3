# /// case
# check = "clip/text"
# about = "knows one size of heads"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L = q.shape[1]
    later = torch.ones(L, L).triu(1).bool()
    return (q @ k.mT / math.sqrt(8)).masked_fill(later, -math.inf).softmax(-1) @ v
