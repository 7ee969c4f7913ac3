# /// case
# check = "amp/zeroed"
# misconception = "averaged-per-tensor"
# about = "averages the tensors' shares"
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    shares = []
    for g in grads:
        nonzero = g[g != 0]
        shares.append(((nonzero * scale).to(dtype) == 0).float().mean().item() if len(nonzero) else 0.0)
    return sum(shares) / len(shares)
