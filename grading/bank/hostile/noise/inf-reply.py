# /// case
# item = "NaN or inf reply"
# about = "answers inf in one entry of a tensor, and as the scale"
# base = "reference"
# score = 14
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return float("inf"), streak + 1

# %% master_step
def master_step(masters, grads, lr, dtype):
    masters = [w - lr * g for w, g in zip(masters, grads)]
    for w in masters:
        w.view(-1)[0] = float("inf")
    return masters, [w.to(dtype) for w in masters]
