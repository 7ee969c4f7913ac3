# /// case
# check = "amp/zeroed"
# misconception = "zeros-counted"
# about = "divides by all entries, not by the nonzero ones"
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    nonzero = sum(g.numel() for g in grads)
    lost = sum(((g != 0) & ((g * scale).to(dtype) == 0)).sum().item() for g in grads)
    return lost / nonzero if nonzero else 0.0
