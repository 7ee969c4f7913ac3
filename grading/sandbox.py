"""Where student code runs: a tree of mounts that holds only what it may read, and a control group for each submission.

Theory of operation. The grader starts a nursery (quintet.student.serve) inside bubblewrap: an empty root with the
system's libraries, the Python environment, the data cache and an allow-listed part of `quintet`, all read-only; no
network, no checkout, no home, no environment variable of the grader's. No student code runs there. For each submission
the nursery forks a child that locks itself in (quintet.student.jail). As root the nursery keeps the few capabilities
that this takes, in the host's user namespace, and each child gets a user id of its own that owns nothing; as anybody
else bubblewrap makes a user namespace, and the capabilities exist only there. The grader counts a child's memory and
processes in a control group of version 1 or 2 where it may make one, so that a child with many processes takes no more
of the processors from others than one with a single process does; elsewhere resource limits of each process remain.

Who kills whom: the end of the grader ends bubblewrap (--die-with-parent), which ends the nursery, which ends all
children (PR_SET_PDEATHSIG); the end of a child ends all that it started, since it is process 1 of its PID namespace.
"""

import contextlib
import ctypes
import errno
import functools
import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from quintet import data
from quintet.student.jail import SCRATCH, Jail
from quintet_grading import Refusal
from quintet_grading.job import Limits

PACKAGE = Path(data.__file__).resolve().parent.parent
ALLOWED = ("__init__.py", "data", "launch.py", "measure.py", "show.py", "student")  # of quintet; no topic and no check
CAPABILITIES = "SYS_ADMIN SETUID SETGID SETPCAP NET_ADMIN SYS_RESOURCE".split()
FIRST_UID = 2_000_000_000  # of the children of a nursery that root started; nobody else has such ids
INSTALL = "run `make system` as root (on Debian: `apt-get install bubblewrap libseccomp2`)"
DENIED = """
    unshare setns mount umount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount
    fspick mount_setattr ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp keyctl add_key
    request_key bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register open_by_handle_at
    name_to_handle_at kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff syslog
    acct quotactl quotactl_fd modify_ldt iopl ioperm settimeofday clock_settime clock_adjtime adjtimex sethostname
    setdomainname vhangup lookup_dcookie personality fanotify_init
""".split()
FAMILIES = (1, 2, 10, 16)  # of sockets: Unix, IPv4, IPv6, netlink (getifaddrs, which gloo calls)


@functools.cache
def why_not() -> str:
    """Empty where a sandbox is possible here, else the reason and the remedy in one sentence."""
    if sys.platform != "linux":
        return "the sandbox needs Linux: grade on a Linux machine or through a grading service"
    if shutil.which("bwrap") is None:
        return f"the sandbox needs bubblewrap: {INSTALL}"
    try:
        seccomp_filter()
    except Refusal as error:
        return str(error)
    tried = subprocess.run(command(["/bin/true"]), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
        return (
            f"bubblewrap may not make namespaces here ({said}): allow user namespaces (sysctl "
            "kernel.unprivileged_userns_clone, apparmor_restrict_unprivileged_userns) or grade through a service"
        )
    return ""


def require() -> None:
    """Raise Refusal where untrusted code cannot be locked in."""
    if reason := why_not():
        raise Refusal(f"submissions cannot be run safely here: {reason}; for code that you trust there is --unsafe")


def command(argv: list[str], gpu: bool = False) -> list[str]:
    """The command line that runs `argv` in the sandbox's tree."""
    root = os.getuid() == 0
    words = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    if not root:  # as root in there, so that bubblewrap makes one user namespace, which owns the others
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    words += ["--clearenv"]
    for name in CAPABILITIES:
        words += ["--cap-add", f"CAP_{name}"]
    for place in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        path = Path(place)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), place]
        elif path.exists():
            words += ["--ro-bind", place, place]
    bound = [(path, path) for path in _readable()]
    bound += [(PACKAGE / name, Path("/quintet/quintet") / name) for name in ALLOWED]
    folders = {parent for _, place in bound for parent in place.parents}
    for folder in sorted(folders):  # bubblewrap would make them for their owner only
        words += ["--perms", "0755", "--dir", str(folder)]
    for path, place in bound:
        words += ["--ro-bind", str(path), str(place)]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", SCRATCH]
    if Path("/tmp") not in folders:  # else Python or the data lie there
        words += ["--symlink", SCRATCH, "/tmp"]
    for device in Path("/dev").glob("nvidia*") if gpu else ():
        words += ["--dev-bind", str(device), str(device)]
    for name, value in environment().items():
        words += ["--setenv", name, value]
    for place in ("/dev", "/"):  # two submissions must not find anything that both may write to
        words += ["--remount-ro", place]
    return [*words, "--chdir", SCRATCH, "--", *argv]


def _readable() -> Iterator[Path]:
    """What a submission may read besides the allow-listed part of quintet: each path once, parents before children."""
    wanted = [Path("/usr"), Path("/etc/ld.so.cache"), Path("/etc/fonts"), Path("/etc/alternatives")]
    wanted += [Path(sys.base_prefix), Path(sys.prefix), data.cache_dir()]
    seen: list[Path] = []
    for path in (p.resolve() for p in wanted if p.exists()):
        if not any(path.is_relative_to(s) for s in seen):
            seen.append(path)
            yield path


def environment(scratch: str = SCRATCH) -> dict[str, str]:
    """All that a nursery finds in its environment. scratch: where it may write."""
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    passed = {name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ}
    return {
        **one,
        **passed,
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": "/quintet",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": scratch,
        "USER": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": scratch,
        "IPYTHONDIR": f"{scratch}/ipython",
        "MPLCONFIGDIR": f"{scratch}/matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "QUINTET_PICTURES": "off",
        "QUINTET_CACHE": str(data.cache_dir().resolve()),
    }


def jail(limits: Limits) -> Jail:
    """What the nursery's children lock themselves in with."""
    return Jail(
        limits.memory_bytes, limits.processes, limits.disk_bytes, int(limits.total_seconds) + 1,
        FIRST_UID if os.getuid() == 0 else 0, seccomp_filter(),
    )  # fmt: skip


# ---- system calls


class _Compare(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


@functools.cache
def seccomp_filter() -> bytes:
    """The system calls that a child may not make, as a BPF program. Raises Refusal where libseccomp is missing.

    A list of what is denied, since what numerical libraries call is not known beforehand: whatever makes or enters
    namespaces and mounts, looks into other processes, or reaches the large or seldom used parts of the kernel. Sockets
    are of the Unix, internet and netlink families only, in a network namespace that has nothing but loopback.
    """
    try:
        lib = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise Refusal(f"the sandbox needs libseccomp: {INSTALL}") from None
    lib.seccomp_init.restype = ctypes.c_void_p
    allow, eperm, enosys, eafnosupport = 0x7FFF0000, 0x50000 | 1, 0x50000 | 38, 0x50000 | 97
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(allow)))

    def rule(action: int, name: str, *compare: _Compare) -> None:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            return  # a call that this libseccomp does not know, so the next line of defence counts: no capabilities
        args = (_Compare * len(compare))(*compare)
        result = lib.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(compare), args)
        if result not in (0, -errno.EDOM):  # EDOM: this kind of machine has no such call
            raise Refusal(f"libseccomp would not deny {name} (error {-result}): {INSTALL}")

    for name in DENIED:
        rule(eperm, name)
    for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):  # CLONE_NEW*
        rule(eperm, "clone", _Compare(0, 7, flag, flag))  # 7: SCMP_CMP_MASKED_EQ
    rule(enosys, "clone3")  # its flags lie in memory, where no filter can look; libc falls back to clone
    low = 0
    for family in sorted(FAMILIES):  # everything between the families that are allowed
        for between in range(low, family):
            rule(eafnosupport, "socket", _Compare(0, 4, between, 0))  # 4: SCMP_CMP_EQ
        low = family + 1
    rule(eafnosupport, "socket", _Compare(0, 5, low, 0))  # 5: SCMP_CMP_GE
    for request in (0x5412, 0x541C):  # TIOCSTI, TIOCLINUX: typing into somebody's terminal
        rule(eperm, "ioctl", _Compare(1, 7, 0xFFFFFFFF, request))
    with _memory_file() as fd:
        if lib.seccomp_export_bpf(context, fd) != 0:
            raise Refusal(f"libseccomp could not compile the filter: {INSTALL}")
        lib.seccomp_release(context)
        size = os.lseek(fd, 0, os.SEEK_END)
        return os.pread(fd, size, 0)


@contextlib.contextmanager
def _memory_file() -> Iterator[int]:
    fd = os.memfd_create("filter")
    try:
        yield fd
    finally:
        os.close(fd)


# ---- control groups


class Group:
    """A control group for one submission: its memory (files in its tmpfs included) and its processes, counted together,
    and where it can be had a share of the processors that is the same for each submission, however many processes it
    keeps busy.

    `Group.new` gives one without effect where this user may not make any. Versions: 2 where its controllers are
    delegated to this process's group, else 1.
    """

    _numbers = itertools.count()
    _leftover: set[Path] = set()
    _sweeping = threading.Lock()

    def __init__(self, folders: list[Path]):
        self.folders = folders

    @classmethod
    def new(cls, limits: Limits) -> "Group":
        name = f"quintet-{os.getpid()}-{next(cls._numbers)}"
        made = []
        try:
            for version, parent in _parents():
                folder = parent / name
                folder.mkdir()
                made.append(folder)
                _limit(folder, version, limits)
        except OSError:
            Group(made).close()
            return cls([])
        return cls(made)

    def add(self, pid: int) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def killed_for_memory(self) -> bool:
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    counts = dict(line.split() for line in (folder / name).read_text().splitlines())
                    if int(counts.get("oom_kill", 0)):
                        return True
        return False

    def close(self) -> None:
        """Remove it, or leave that to the next `sweep`: a killed child takes some milliseconds to leave."""
        with Group._sweeping:
            Group._leftover.update(self.folders)
        self.folders = []
        Group.sweep()

    @classmethod
    def sweep(cls, seconds: float = 0.0) -> None:
        """Remove the groups that were closed, those that are empty now or become so within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            with cls._sweeping:
                for folder in list(cls._leftover):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                    if not folder.exists():
                        cls._leftover.remove(folder)
            if not cls._leftover or time.monotonic() >= deadline:
                return
            time.sleep(0.01)


def _limit(folder: Path, version: int, limits: Limits) -> None:
    names = {
        1: {"memory.limit_in_bytes": limits.memory_bytes, "memory.memsw.limit_in_bytes": limits.memory_bytes},
        2: {"memory.max": limits.memory_bytes, "memory.swap.max": 0},
    }[version]
    for name, value in {**names, "pids.max": limits.processes}.items():
        if (folder / name).exists():  # swap is not counted everywhere, and version 1 has a tree for each controller
            (folder / name).write_text(str(value))


@functools.cache
def _parents() -> list[tuple[int, Path]]:
    """Folders below which this process may make groups that limit memory and processes, and share out processors where
    that too may be done; none where it may not."""
    lines = [line.split(":", 2)[1:] for line in _own_groups()]  # "4:memory:/path", "7:cpu,cpuacct:/path"
    mine = {name: path for names, path in lines for name in names.split(",")}  # version 2 is "0::/path"
    v2 = [Path(p) for p in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if Path(p, "cgroup.controllers").exists()]
    for mount in v2:
        folder = mount / mine.get("", "/").strip("/")
        with contextlib.suppress(OSError):
            if {"memory", "pids"} <= set((folder / "cgroup.controllers").read_text().split()):
                _delegate(folder)
                _remove_orphans(folder)
                return [(2, folder)]
    found = {}
    for controller in ("memory", "pids", "cpu"):  # a group has the ordinary share of processors by being one
        folder = Path("/sys/fs/cgroup", controller, mine.get(controller, "/").strip("/"))
        if os.access(folder, os.W_OK) and (folder / "cgroup.procs").exists():
            _remove_orphans(folder)
            found[controller] = (1, folder)
    return list(found.values()) if {"memory", "pids"} <= set(found) else []


def _own_groups() -> list[str]:
    with contextlib.suppress(OSError):
        return Path("/proc/self/cgroup").read_text().splitlines()
    return []


def _delegate(folder: Path) -> None:
    """Let groups below `folder` limit memory and processes and share processors. Version 2 wants a group with such
    children to hold no process itself, so this one moves into a child too."""
    wanted = {"memory", "pids", "cpu"} & set((folder / "cgroup.controllers").read_text().split())
    if wanted <= set((folder / "cgroup.subtree_control").read_text().split()):
        return
    leaf = folder / f"quintet-grader-{os.getpid()}"
    leaf.mkdir(exist_ok=True)
    (leaf / "cgroup.procs").write_text(str(os.getpid()))
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))


def _remove_orphans(folder: Path) -> None:
    """Remove the groups below `folder` whose graders have ended, or were ended, before they could."""
    for group in folder.glob("quintet-*"):
        pid = re.fullmatch(r"quintet-(?:grader-)?(\d+)(?:-\d+)?", group.name)
        if pid and not Path("/proc", pid[1]).exists():
            with contextlib.suppress(OSError):  # its processes live on for a moment, or another grader was faster
                group.rmdir()


def limits_are_counted() -> bool:
    """Whether control groups are at hand, for `quintet doctor`."""
    return bool(_parents())
