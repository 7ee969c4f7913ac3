# /// case
# item = "nested user namespaces"
# about = "tries the seldom used parts of the kernel: keyrings, bpf, perf, userfaultfd, io_uring, handles, logs"
# score = 0
# ///

# %% after setup
import ctypes
import os

NUMBERS = {"add_key": (248, b"user", b"@token@", b"x", 1, -3), "keyctl": (250, 0, -3, 1), "bpf": (321, 0, None, 0),
           "perf_event_open": (298, bytes(128), 0, -1, -1, 0), "userfaultfd": (323, 1), "io_uring_setup": (425, 1, bytes(120)),
           "syslog": (103, 10, None, 0), "modify_ldt": (154, 0, bytes(16), 16), "iopl": (172, 0), "kcmp": (312, os.getpid(), os.getpid(), 1, 0, 0),
           "init_module": (175, b"", 0, b""), "open_by_handle_at": (304, -100, bytes(64), 0), "personality": (135, 0x0040000)}
for name, args in NUMBERS.items():
    attempt(name, lambda: apart(lambda: call("syscall", *args)))
for path in ("/dev/mem", "/dev/kmsg", "/dev/port", "/proc/kcore", "/proc/sysrq-trigger", "/sys/kernel/security", "/proc/sys/kernel/core_pattern"):
    attempt(f"open {path}", lambda: open(path, "r+b").close())
