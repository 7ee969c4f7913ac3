# /// case
# check = "clip/text"
# about = "the softmax goes over the tokens that look"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    later = torch.ones(L, L).triu(1).bool()
    return scores.masked_fill(later, -math.inf).softmax(-2) @ v
