# /// case
# item = "killing the parent"
# about = "lists, signals, traces and reads the grader, a process of the host and its own parent"
# score = 0
# state = "any"
# ///

# %% after setup
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def read_memory(pid):
    with open(f"/proc/{pid}/maps") as maps:
        start = int(maps.readline().split("-")[0], 16)
    here = ctypes.create_string_buffer(64)
    one, other = Piece(ctypes.addressof(here), 64), Piece(start, 64)
    call("process_vm_readv", pid, ctypes.byref(one), 1, ctypes.byref(other), 1, 0)


def trace(pid):
    call("ptrace", 0x4206, pid, None, None)  # PTRACE_SEIZE, which does not stop it
    libc.ptrace(17, pid, None, None)  # PTRACE_DETACH


for pid in (int("@grader@"), int("@victim@"), os.getppid()):
    if pid > 1:
        attempt(f"memory of {pid}", lambda: open(f"/proc/{pid}/mem", "r+b").close())
        attempt(f"read {pid}", lambda: read_memory(pid))
        attempt(f"trace {pid}", lambda: trace(pid))
        attempt(f"limits of {pid}", lambda: __import__("resource").prlimit(pid, 7))
        attempt(f"priority of {pid}", lambda: os.setpriority(os.PRIO_PROCESS, pid, 1) if pid == int("@victim@") else os.kill(pid, 0))
attempt("see more than its own processes", lambda: [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()][3])
