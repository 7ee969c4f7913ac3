# /// case
# item = "network"
# about = "connects to a server on loopback, by IPv4, IPv6 and name, and to an address outside"
# score = 0
# ///

# %% after setup
import socket


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
        s.sendall(b"stolen")


attempt("IPv4", lambda: connect(socket.AF_INET, ("127.0.0.1", int("@tcp@"))))
attempt("IPv4, another address of loopback", lambda: connect(socket.AF_INET, ("127.0.0.2", int("@tcp@"))))
attempt("IPv4, any address", lambda: connect(socket.AF_INET, ("0.0.0.0", int("@tcp@"))))
attempt("IPv6", lambda: connect(socket.AF_INET6, ("::1", int("@tcp@"))))
attempt("IPv6, mapped", lambda: connect(socket.AF_INET6, ("::ffff:127.0.0.1", int("@tcp@"))))
attempt("by name", lambda: connect(socket.AF_INET, ("localhost", int("@tcp@"))))
attempt("interfaces other than loopback", lambda: [n for _, n in socket.if_nameindex() if n != "lo"][0])
