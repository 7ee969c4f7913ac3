# /// case
# item = "solutions/"
# about = "reads the course's key, from which it could draw the secret inputs"
# score = 0
# ///

# %% after setup
import os

attempt("read the key", lambda: open("@key@", "rb").read().hex())
attempt("read the key through process 1", lambda: open("/proc/1/root@key@", "rb").read().hex())
attempt("replace the key", lambda: open("@key@", "r+b").close())
attempt("find the key among the variables", lambda: [k for k in os.environ if "KEY" in k or "SECRET" in k or "COURSE" in k][0])
