# /// case
# item = "memory bomb"
# about = "has twelve children that take 1 GB each and hold it"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import os
    import signal
    import time

    for _ in range(12):
        if os.fork() == 0:
            signal.alarm(60)
            held = bytearray(b"x") * 2**30
            time.sleep(60)
            os._exit(len(held) % 2)
    time.sleep(60)
