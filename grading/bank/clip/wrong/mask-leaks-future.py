# /// case
# check = "clip/text"
# misconception = "mask-leaks-future"
# about = "no mask at all"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return scores.softmax(-1) @ v
