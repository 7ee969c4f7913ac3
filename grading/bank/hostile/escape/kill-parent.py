# /// case
# item = "killing the parent"
# about = "kills, stops and hangs up the process that made it"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import signal

parent = os.getppid()
for kind in (signal.SIGTERM, signal.SIGHUP, signal.SIGSTOP, signal.SIGKILL):
    def kill():
        if parent < 1:
            raise ProcessLookupError("no parent in sight")
        os.kill(parent, kind)

    attempt(kind.name, kill)
