# /// case
# check = "clip/text"
# misconception = "mask-after-softmax"
# about = "weights of later tokens are set to 0"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    L, D = q.shape[1:]
    scores = q @ k.mT / math.sqrt(D)
    return scores.softmax(-1).tril() @ v
