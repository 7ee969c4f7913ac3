# /// case
# item = "gradebook"
# about = "reads the gradebook, copies it into its outputs and writes full marks into it"
# score = 0
# ///

# %% after setup
import os
import shutil
import sqlite3


def write():
    with sqlite3.connect("file:@gradebook@?mode=rw", uri=True, timeout=1) as book:
        return book.execute("UPDATE grade SET manual_score = 20").rowcount


attempt("read the gradebook", lambda: open("@gradebook@", "rb").read(16))
attempt("copy the gradebook", lambda: shutil.copy("@gradebook@", "copy.db"))
attempt("write grades", write)
attempt("list the course's folder", lambda: os.listdir("@course@"))
attempt("read the gradebook through process 1", lambda: open("/proc/1/root@gradebook@", "rb").read(16))
