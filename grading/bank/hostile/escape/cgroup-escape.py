# /// case
# item = "nested user namespaces"
# about = "leaves or widens its control group through the file system"
# score = 0
# ///

# %% after setup
import glob
import os


def widen():
    for name in glob.glob("/sys/fs/cgroup/**/memory.max", recursive=True) + glob.glob("/sys/fs/cgroup/**/memory.limit_in_bytes", recursive=True):
        with open(name, "w") as out:
            out.write("-1")
            return name
    raise FileNotFoundError("no control group in sight")


def leave():
    with open(glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[0], "w") as out:
        out.write(str(os.getpid()))


attempt("widen the group", widen)
attempt("leave the group", leave)
