# /// case
# check = "clip/text"
# misconception = "scores-not-divided"
# about = "products without √D"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    later = torch.ones(q.shape[1], q.shape[1]).triu(1).bool()
    return (q @ k.mT).masked_fill(later, -math.inf).softmax(-1) @ v
