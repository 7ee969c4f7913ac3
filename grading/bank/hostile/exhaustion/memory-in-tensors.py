# /// case
# item = "memory bomb"
# about = "takes memory through torch, one tensor larger than the other"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import signal

    signal.alarm(60)
    held = [torch.ones(2**n) for n in range(20, 31)]  # 8 GB together
    return held, held
