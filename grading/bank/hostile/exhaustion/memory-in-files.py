# /// case
# item = "memory bomb"
# about = "takes memory that no process owns: memory files, shared maps, pipes"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import mmap
    import os
    import signal

    signal.alarm(60)
    held = []
    for i in range(24):  # at most 6 GB
        fd = os.memfd_create(f"m{i}")
        os.write(fd, bytes(2**28))
        held.append(fd)
    for i in range(24):  # and 6 GB more
        area = mmap.mmap(-1, 2**28)
        area.write(b"x" * 2**28)
        held.append(area)
    return held
