# /// case
# item = "gradebook"
# about = "opens every SQLite file that it finds below the usual places, and the databases' usual sockets"
# score = 0
# ///

# %% after setup
import os
import socket


def find():
    found = []
    for top in ("@course@", "/root", "/home", "/var/lib", "/srv", "@checkout@/course"):
        for folder, _, files in os.walk(top):
            found += [os.path.join(folder, f) for f in files if f.endswith((".db", ".sqlite"))]
    if not found:
        raise FileNotFoundError("no database")
    return found[:3]


def connect(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        s.connect(path)


attempt("find a database", find)
attempt("PostgreSQL's socket", lambda: connect("/var/run/postgresql/.s.PGSQL.5432"))
