# /// case
# check = "amp/zeroed"
# misconception = "scaled-after-cast"
# about = "cast to half precision first, multiplied afterwards"
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    nonzero = sum((g != 0).sum().item() for g in grads)
    lost = sum(((g != 0) & (g.to(dtype) * scale == 0)).sum().item() for g in grads)
    return lost / nonzero if nonzero else 0.0
