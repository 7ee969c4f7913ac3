# /// case
# item = "memory bomb"
# about = "takes memory in pieces until there is none, and holds it"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import signal

    signal.alarm(60)
    held = []
    for _ in range(48):  # at most 12 GB
        held.append(bytearray(b"x") * 2**28)
    return held
