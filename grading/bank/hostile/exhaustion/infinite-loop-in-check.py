# /// case
# item = "infinite loop"
# about = "a step never returns, and catches every interrupt"
# base = "reference"
# score = 8
# state = "limited"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    if getattr(loss_fn, "__name__", "") == "auxiliary_loss":
        return 0.0
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
