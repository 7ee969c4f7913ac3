# /// case
# item = "hidden inputs smuggled out"
# about = "after a check it forges a frame that announces as many bytes as a hidden input says"
# score = 0
# state = "any"
# never = ["31415", "3,141,5"]
# ///

# %% after setup
SEEN = []

# %% zeroed
def zeroed(grads, scale, dtype):
    SEEN.append(scale)
    return 0.0

# %% after amp-zeroed
import os
import socket
import struct

for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            socket.socket(fileno=os.dup(fd)).sendall(b"a" + struct.pack(">QQ", 3141500000 + int(SEEN[0]), 0))
    except OSError:
        pass
