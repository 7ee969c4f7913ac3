# /// case
# item = "inode fill"
# about = "makes 200,000 empty files"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    import os

    for place in (".", "/dev/shm"):
        top = os.path.join(place, "@token@-inodes")
        try:
            os.makedirs(top, exist_ok=True)
            for i in range(100_000):
                os.close(os.open(os.path.join(top, str(i)), os.O_CREAT))
        except OSError:
            pass
    raise OSError("no inode left")
