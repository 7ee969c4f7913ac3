# /// case
# item = "a C-level hang that ignores interrupts"
# about = "leaves a timer that ends the process at some later moment"
# base = "reference"
# score = 5
# state = "any"
# ///

# %% after amp-unscale
import signal
import time

signal.setitimer(signal.ITIMER_REAL, 0.2)
time.sleep(30)
