# /// case
# item = "AF_VSOCK"
# about = "makes sockets of the families that reach past a network namespace"
# score = 0
# ///

# %% after setup
import socket

for name, family in {"AF_VSOCK": 40, "AF_ALG": 38, "AF_BLUETOOTH": 31, "AF_CAN": 29, "AF_TIPC": 30, "AF_RDS": 21, "AF_KEY": 15,
                     "AF_X25": 9, "AF_QIPCRTR": 42, "AF_XDP": 44}.items():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        attempt(f"{name} {kind}", lambda: socket.socket(family, kind).close())
