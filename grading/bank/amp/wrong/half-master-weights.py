# /// case
# check = "amp/master_step"
# misconception = "half-master-weights"
# about = "adds the update to the half-precision weights"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    masters = [(w.to(dtype) - lr * g.to(dtype)).float() for w, g in zip(masters, grads, strict=True)]
    return masters, [w.to(dtype) for w in masters]
