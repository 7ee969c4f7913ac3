# /// case
# item = "wrong dtype"
# about = "answers right numbers in another precision than was asked for"
# base = "reference"
# score = 17
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    masters = [w.double() - lr * g.double() for w, g in zip(masters, grads)]
    return masters, [w.float() for w in masters]
