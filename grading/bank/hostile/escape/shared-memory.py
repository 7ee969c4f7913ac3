# /// case
# item = "other submissions"
# about = "leaves words for other submissions: System V and POSIX shared memory, message queues, abstract sockets"
# score = 0
# ///

# %% after setup
import ctypes
import socket

KEY = int("@number@")
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget(KEY, ctypes.c_size_t(4096), 0o1666)
libc.msgget(KEY, 0o1666)
libc.semget(KEY, 1, 0o1666)
try:
    open("/dev/shm/@token@", "w").close()
    open("/tmp/@token@", "w").close()
except OSError:
    pass
server = socket.socket(socket.AF_UNIX)
try:
    server.bind("\0@token@-student")
    server.listen()
except OSError:
    pass
attempt("memory of an earlier submission", lambda: call("shmget", KEY + 1, ctypes.c_size_t(4096), 0))
