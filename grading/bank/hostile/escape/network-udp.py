# /// case
# item = "network"
# about = "sends packets: UDP, raw, by netlink and below IP"
# score = 0
# ///

# %% after setup
import socket


def send(kind, address):
    with socket.socket(*kind) as s:
        s.sendto(b"stolen", address)
        if kind[1] == socket.SOCK_DGRAM:
            raise ConnectionError("sent; the server tells whether it arrived")


attempt("UDP", lambda: send((socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", int("@udp@"))))
attempt("UDP by IPv6", lambda: send((socket.AF_INET6, socket.SOCK_DGRAM), ("::1", int("@udp@"))))
attempt("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close())
attempt("a packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close())
