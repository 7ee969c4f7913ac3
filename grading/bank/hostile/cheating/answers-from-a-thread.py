# /// case
# item = "further"
# about = "a thread writes answers on the socket while the referee waits for those of the main thread"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import socket
import threading
import time

from quintet.student import wire

sockets = []
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            sockets.append(socket.socket(fileno=os.dup(fd)))
    except OSError:
        pass


def answer():
    for _ in range(1000):
        time.sleep(0.01)
        for s in sockets:
            try:
                s.send(b"a" + wire.pack(["ok", 0.5], None))
            except OSError:
                return


threading.Thread(target=answer, daemon=True).start()

# %% zeroed
def zeroed(grads, scale, dtype):
    time.sleep(0.5)
    return 0.0
