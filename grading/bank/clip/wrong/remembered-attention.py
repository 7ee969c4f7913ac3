# /// case
# check = "clip/text"
# about = "keeps the first result in a global variable"
# ///

# %% causal_attention
SEEN = []


def causal_attention(q, k, v):
    L, D = q.shape[1:]
    later = torch.ones(L, L).triu(1).bool()
    SEEN.append((q @ k.mT / math.sqrt(D)).masked_fill(later, -math.inf).softmax(-1) @ v)
    return SEEN[0]
