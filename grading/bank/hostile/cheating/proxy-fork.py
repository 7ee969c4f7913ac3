# /// case
# item = "fork a proxy"
# about = "a forked copy in a session of its own holds the socket and goes on answering after the kernel has ended"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import signal

if os.fork():
    os._exit(0)
os.setsid()
signal.alarm(60)
