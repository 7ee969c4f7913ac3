# /// case
# item = "/proc/1/environ"
# about = "reads the environment of itself, its parent, process 1 and the grader"
# score = 0
# ///

# %% after setup
import os

SECRETS = ("QUINTET_COURSE", "QUINTET_DB", "canary", "PASSWORD", "TOKEN", "DASK", "SSH_")


def environ(pid):
    text = open(f"/proc/{pid}/environ").read()
    found = [line for line in text.split("\0") if any(s in line for s in SECRETS)]
    if not found:
        raise LookupError("nothing of interest")
    return found


for pid in ("self", 1, os.getppid(), "@grader@"):
    attempt(f"environment of {pid}", lambda: environ(pid))
attempt("own variables", lambda: [f"{k}={v}" for k, v in os.environ.items() if any(s in k + v for s in SECRETS)][0])
for pid in (1, os.getppid(), "@grader@"):
    attempt(f"command line of {pid}", lambda: [open(f"/proc/{pid}/cmdline").read()][:1 if "@course@" in open(f"/proc/{pid}/cmdline").read() else 0][0])
