# /// case
# item = "fork bomb"
# about = "forks until it may not, each copy forks on"
# base = "reference"
# score = 5
# state = "any"
# ///

# %% after amp-unscale
import os
import signal
import time

counter = os.memfd_create("count")
signal.alarm(60)
until = time.monotonic() + 60
while time.monotonic() < until and os.fstat(counter).st_size < 3000:
    try:
        if os.fork() == 0:
            signal.alarm(60)
            os.write(counter, b"x")
    except OSError:
        time.sleep(0.01)
time.sleep(60)
