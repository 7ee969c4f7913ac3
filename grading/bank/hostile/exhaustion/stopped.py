# /// case
# item = "a C-level hang that ignores interrupts"
# about = "stops itself as a debugger would, and its helper stops it again"
# base = "reference"
# score = 5
# state = "any"
# ///

# %% after amp-unscale
import os
import signal
import time

me = os.getpid()
if os.fork() == 0:
    for _ in range(300):
        time.sleep(0.1)
        os.kill(me, signal.SIGSTOP)
    os._exit(0)
while True:
    os.kill(me, signal.SIGSTOP)
