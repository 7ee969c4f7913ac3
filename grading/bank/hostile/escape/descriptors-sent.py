# /// case
# item = "symlink, FIFO or device as a reply"
# about = "sends open descriptors, one of them a blocking pipe, over the socket to the referee"
# score = 0
# state = "any"
# ///

# %% after setup
import os
import socket

read, write = os.pipe()
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            with socket.socket(fileno=os.dup(fd)) as s:
                socket.send_fds(s, [b"a"], [read, os.open("/dev/zero", os.O_RDONLY)])
    except OSError:
        pass
attempt("nothing to read here", lambda: 1 / 0)
