# /// case
# item = "a daemon outliving grading"
# about = "leaves processes behind: forked twice, in sessions of their own, deaf to signals"
# score = 0
# ///

# %% after setup
import os
import signal
import time

for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(kind, signal.SIG_IGN)
            os.closerange(0, 1024)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                time.sleep(0.2)
        os._exit(0)
attempt("nothing more", lambda: 1 / 0)
