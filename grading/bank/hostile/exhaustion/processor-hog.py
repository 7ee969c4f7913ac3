# /// case
# item = "fork bomb"
# about = "keeps as many processes as it may have busy, for its neighbours to run out of time"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import os
import time

until = time.monotonic() + 60
for _ in range(100):
    try:
        if os.fork() == 0:
            while time.monotonic() < until:
                pass
            os._exit(0)
    except OSError:
        break
while time.monotonic() < until:
    pass
