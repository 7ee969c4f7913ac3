# /// case
# item = "a C-level hang that ignores interrupts"
# about = "one arithmetic expression that never ends"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    return pow(7, pow(7, 11))
