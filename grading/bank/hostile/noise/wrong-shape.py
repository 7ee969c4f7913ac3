# /// case
# item = "wrong shape"
# about = "answers right numbers, flattened and with a dimension more"
# base = "reference"
# score = 17
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    masters = [(w - lr * g).flatten()[None] for w, g in zip(masters, grads)]
    return masters, [w.to(dtype) for w in masters]
