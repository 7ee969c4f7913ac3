# /// case
# item = "killing the parent"
# about = "kills a process of the host and the grader by their numbers"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import signal

for pid in (int("@victim@"), int("@grader@")):
    if pid != os.getpid():
        attempt(f"kill {pid}", lambda: os.kill(pid, signal.SIGKILL))
        attempt(f"kill group {pid}", lambda: os.killpg(pid, signal.SIGKILL))
        attempt(f"kill {pid} by pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL))
