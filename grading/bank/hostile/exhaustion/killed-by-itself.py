# /// case
# item = "os._exit(0)"
# about = "kills its own process and group"
# base = "reference"
# score = 5
# state = "any"
# ///

# %% after amp-unscale
import os
import signal

try:
    os.kill(0, signal.SIGKILL)
except OSError:
    pass
for kind in (signal.SIGKILL, signal.SIGABRT):
    os.kill(os.getpid(), kind)
os.abort()
