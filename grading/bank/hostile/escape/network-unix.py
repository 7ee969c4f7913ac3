# /// case
# item = "network"
# about = "connects to Unix sockets of the host, by path and in the abstract namespace"
# score = 0
# ///

# %% after setup
import socket


def connect(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as s:
        s.settimeout(2)
        s.connect(path)
        s.sendall(b"stolen")


attempt("by path", lambda: connect("@unix@"))
attempt("in the abstract namespace", lambda: connect("\0@token@"))
attempt("the host's sockets in /proc/net/unix", lambda: [line for line in open("/proc/net/unix") if "@token@" in line][0])
for path in ("/run/systemd/notify", "/run/dbus/system_bus_socket", "/dev/log", "/run/systemd/journal/dev-log"):
    attempt(path, lambda: open(path) if __import__("os").stat(path) else None)
