# /// case
# item = "huge reply"
# about = "answers with as many numbers as may travel at once, where one was asked for"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    return [0] * 7_000_000
