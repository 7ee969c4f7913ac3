# /// case
# item = "huge reply"
# about = "answers with a list of 30 million numbers"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    return [0] * 30_000_000
