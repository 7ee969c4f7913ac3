# /// case
# item = "mounts"
# about = "mounts, unmounts, binds and moves its root by the old and the new system calls"
# score = 0
# ///

# %% after setup
import os

os.makedirs("here", exist_ok=True)


def mount(kind, source=b"none", flags=0):
    call("mount", source, b"here", kind, flags, None)
    call("umount2", b"here", 2)


attempt("tmpfs", lambda: apart(lambda: mount(b"tmpfs")))
attempt("proc", lambda: apart(lambda: mount(b"proc")))
attempt("sysfs", lambda: apart(lambda: mount(b"sysfs")))
attempt("cgroup", lambda: apart(lambda: mount(b"cgroup2")))
attempt("a bind of /", lambda: apart(lambda: mount(None, b"/", 4096)))
attempt("/proc unmounted", lambda: apart(lambda: call("umount2", b"/proc/sys/fs/binfmt_misc", 2)))
attempt("fsopen", lambda: apart(lambda: call("syscall", 430, b"tmpfs", 0)))
attempt("open_tree", lambda: apart(lambda: call("syscall", 428, -100, b"/", 1)))
attempt("pivot_root", lambda: apart(lambda: call("syscall", 155, b".", b".")))
attempt("read-only made writable", lambda: apart(lambda: call("mount", b"none", b"/usr", None, 32, None)))
