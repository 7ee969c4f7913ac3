# /// case
# item = "inode fill"
# about = "opens files and sockets until it may not"
# base = "reference"
# score = 20
# ///

# %% after amp-unscale
import os
import socket

held = []
try:
    for _ in range(20_000):
        held.append(socket.socketpair())
except OSError:
    pass
del held
