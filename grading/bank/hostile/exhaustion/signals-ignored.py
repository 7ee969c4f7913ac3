# /// case
# item = "infinite loop"
# about = "ignores every signal that can be ignored and catches every exception, for ever"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import signal
import time

for kind in signal.valid_signals():
    try:
        signal.signal(kind, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
