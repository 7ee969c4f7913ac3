"""What a child does to itself before it runs a student's code: it leaves everything that it could reach or exhaust.

The nursery (serve.py) runs inside the tree of mounts that the grader made with bubblewrap (grading/sandbox.py): no
network, no files but read-only libraries and data. It may still make namespaces. For each submission

    fork_into_new_pids()   in the nursery: a child that is process 1 of its own PID namespace, so that its end ends all
                           that it started
    enter(jail)            in the child: mount, network, IPC and UTS namespaces of its own; a new /proc, /scratch and
                           /dev/shm of limited size; loopback up; its own user id where the nursery is root; resource
                           limits; no capability, no way to get one; a seccomp filter over what is left

Linux only, by ctypes, since Python 3.11 has none of these calls. Every failure raises OSError: a child that could not
lock itself in must not go on.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
from dataclasses import dataclass

NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000  # <linux/sched.h>
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18  # <linux/mount.h>
PDEATHSIG, SET_SECCOMP, CAPBSET_DROP, SET_NO_NEW_PRIVS, SECCOMP_FILTER = 1, 22, 24, 38, 2  # <linux/prctl.h>
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
LAST_CAPABILITY = 63
SCRATCH = "/scratch"  # the one place, with /dev/shm, that a child may write to


@dataclass(frozen=True)
class Jail:
    """Limits of one submission. first_uid: the child gets user id first_uid + its number; 0: it keeps the nursery's.

    seccomp: a compiled BPF program, as libseccomp exports it.
    """

    memory_bytes: int
    processes: int
    disk_bytes: int
    cpu_seconds: int
    first_uid: int = 0
    seccomp: bytes = b""


_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name} failed: {os.strerror(error)}")


def _prctl(option: int, argument: int = 0, pointer: object = 0) -> None:
    _call("prctl", option, ctypes.c_ulong(argument), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends."""
    _prctl(PDEATHSIG, signal.SIGKILL)


def fork_into_new_pids(own: int) -> int:
    """`os.fork`, the child being process 1 of a new PID namespace. own: /proc/self/ns/pid of this process, opened.

    Going back to the own namespace first makes the call repeatable without a second fork.
    """
    _call("setns", own, NEWPID)
    _call("unshare", NEWPID)
    return os.fork()


def enter(jail: Jail, number: int, keep: int) -> None:
    """Lock this process in. number: of this child, to tell it from the others; keep: the only descriptor that stays."""
    die_with_parent()
    _call("unshare", NEWNS | NEWNET | NEWIPC | NEWUTS)
    _mounts(jail)
    _loopback_up()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # what C code prints goes nowhere; Python's output is captured by the cell
        os.dup2(null, fd)
    low, high = sorted((2, keep))
    os.closerange(low + 1, high)
    os.closerange(high + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    uid = jail.first_uid + number % 2**16 if jail.first_uid else os.getuid()
    _limits(jail)
    _drop(uid, jail.first_uid != 0)
    die_with_parent()  # a change of user clears it
    if jail.seccomp:
        _filter(jail.seccomp)


def _mounts(jail: Jail) -> None:
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    for place in (SCRATCH.encode(), b"/dev/shm"):
        size = f"size={jail.disk_bytes},nr_inodes={max(jail.disk_bytes // 2**14, 1024)},mode=1777"
        _call("mount", b"tmpfs", place, b"tmpfs", MS_NOSUID | MS_NODEV, size.encode())
    os.chdir(SCRATCH)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _limits(jail: Jail) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, jail.memory_bytes),  # of each process; the control group counts them together
        (resource.RLIMIT_NPROC, jail.processes),
        (resource.RLIMIT_FSIZE, jail.disk_bytes),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CPU, jail.cpu_seconds),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _drop(uid: int, change: bool) -> None:
    """Give up every capability, for good."""
    for capability in range(LAST_CAPABILITY + 1):
        if _libc.prctl(CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break  # past the last one that this kernel has
    if change:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    _call("capset", header, bytes(24))
    _prctl(SET_NO_NEW_PRIVS, 1)


def _filter(program: bytes) -> None:
    """Install a seccomp filter: struct sock_fprog {unsigned short len; struct sock_filter *filter}."""
    code = ctypes.create_string_buffer(program, len(program))
    prog = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    _prctl(SET_SECCOMP, SECCOMP_FILTER, prog)
