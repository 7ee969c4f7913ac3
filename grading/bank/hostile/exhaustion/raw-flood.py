# /// case
# item = "stdout flood"
# about = "writes 2 GB to the descriptors of the standard streams, past Python"
# base = "reference"
# score = 20
# ///

# %% after zeroed
import os

for _ in range(1000):
    for fd in (1, 2):
        try:
            os.write(fd, b"x" * 2**20)
        except OSError:
            pass
