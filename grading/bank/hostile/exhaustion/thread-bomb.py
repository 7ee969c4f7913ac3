# /// case
# item = "thread bomb"
# about = "starts threads until it may not, and keeps them"
# base = "reference"
# score = 5
# state = "any"
# ///

# %% after amp-unscale
import threading
import time

while True:
    try:
        if threading.active_count() < 3000:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        time.sleep(0.01)
