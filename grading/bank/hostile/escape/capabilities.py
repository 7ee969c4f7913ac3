# /// case
# item = "nested user namespaces"
# about = "looks for capabilities and uses those of root: user ids, chroot, host name, clock, device nodes"
# score = 0
# ///

# %% after setup
import os
import socket
import stat


def capabilities():
    for line in open("/proc/self/status"):
        if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb")) and int(line.split()[1], 16):
            return line
    raise PermissionError("none")


attempt("capabilities", capabilities)
attempt("become root", lambda: apart(lambda: os.setuid(0)) if os.getuid() else "is root")
attempt("become another user", lambda: apart(lambda: os.setresuid(1234, 1234, 1234)))
attempt("join groups", lambda: apart(lambda: os.setgroups([0])))
attempt("chroot", lambda: apart(lambda: os.chroot("/tmp")))
attempt("a block device", lambda: os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)))
attempt("a character device", lambda: os.mknod("mem", stat.S_IFCHR | 0o600, os.makedev(1, 1)))
attempt("the host's name", lambda: socket.sethostname(socket.gethostname()))
attempt("new capabilities by a file", lambda: os.setxattr("/usr/bin/env", "security.capability", b"\0" * 20))
attempt("a lower nice value", lambda: apart(lambda: os.nice(-5)))
