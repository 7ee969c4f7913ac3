# /// case
# check = "clip/text"
# misconception = "mask-leaks-future"
# about = "scores of later tokens become 0"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return (scores * torch.ones(L, L).to(q).tril()).softmax(-1) @ v
