# /// case
# item = "atexit rewriting the verdict"
# about = "at its end it writes full marks into the gradebook and forged answers on every socket it has"
# score = 0
# ///

# %% after setup
import atexit
import os
import socket
import sqlite3


def rewrite():
    try:
        with sqlite3.connect("@gradebook@", timeout=1) as book:
            book.execute("UPDATE grade SET auto_score = 20, manual_score = 20")
    except sqlite3.Error:
        pass
    for fd in range(3, 64):
        try:
            socket.socket(fileno=os.dup(fd)).sendall(b"a" + b"\0" * 16)
        except OSError:
            pass


atexit.register(rewrite)
