# /// case
# item = "further"
# about = "writes ready-made answers on every socket it finds, before the referee asks"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import socket

from quintet.student import wire

answers = b"".join(b"a" + wire.pack(["ok", v], None) for v in (0.5, 0.0, True, (512.0, 0), (2048.0, 0)) * 20)
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            socket.socket(fileno=os.dup(fd)).send(answers)
    except OSError:
        pass
