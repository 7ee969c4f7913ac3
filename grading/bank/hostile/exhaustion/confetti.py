# /// case
# item = "huge reply"
# about = "forges answers of a million empty tensors, whose objects take far more memory than their text"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    return [torch.empty(0)] * 900_000
