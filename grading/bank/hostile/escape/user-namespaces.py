# /// case
# item = "nested user namespaces"
# about = "makes namespaces of every kind, alone and with a user namespace, to be root in"
# score = 0
# ///

# %% after setup
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
KINDS = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000, "uts": 0x4000000,
         "cgroup": 0x2000000}
for name, flag in KINDS.items():
    attempt(f"unshare {name}", lambda: apart(lambda: call("unshare", flag)))
    attempt(f"unshare user and {name}", lambda: apart(lambda: call("unshare", flag | KINDS["user"])))
    attempt(f"clone {name}", lambda: apart(lambda: os._exit(0) if call("syscall", 56, flag | 17, 0, 0, 0, 0) == 0 else None))
    attempt(f"enter {name} of process 1", lambda: apart(lambda: call("setns", os.open(f"/proc/{os.getppid() or 1}/ns/{'mnt' if name == 'mount' else name}", 0), 0)))
args = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
attempt("clone3 with a user namespace", lambda: apart(lambda: call("syscall", 435, ctypes.byref(args), ctypes.sizeof(args))))
