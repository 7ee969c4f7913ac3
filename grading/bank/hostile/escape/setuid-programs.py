# /// case
# item = "nested user namespaces"
# about = "runs the system's setuid programs, and a copy of a shell that it makes setuid"
# score = 0
# ///

# %% after setup
import os
import shutil
import subprocess


def run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5)
    if done.returncode or "uid=0" not in done.stdout:
        raise PermissionError(done.stderr[:80])
    return done.stdout


def own():
    shutil.copy("/bin/sh", "sh")
    os.chmod("sh", 0o4755)
    return run("./sh", "-p", "-c", "id") if os.getuid() else "is root"


attempt("su", lambda: run("su", "-c", "id"))
attempt("sudo", lambda: run("sudo", "-n", "id"))
attempt("own setuid shell", own)
attempt("bwrap", lambda: run("bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "0", "id"))
attempt("unshare", lambda: run("unshare", "-r", "id"))
