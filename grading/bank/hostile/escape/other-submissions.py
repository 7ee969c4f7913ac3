# /// case
# item = "other submissions"
# about = "lists the class, reads a neighbour's notebook, overwrites it and takes it as its own"
# score = 0
# ///

# %% after setup
import os
import pathlib

attempt("list the class", lambda: os.listdir("@submitted@"))
attempt("read a neighbour's notebook", lambda: open("@neighbour@", encoding="utf-8").read()[:40])
attempt("change a neighbour's notebook", lambda: open("@neighbour@", "a").write(" "))
attempt("add a student", lambda: os.mkdir("@submitted@/@token@"))
attempt("link to a neighbour's notebook", lambda: os.link("@neighbour@", "mine.ipynb"))
attempt("read the feedback", lambda: os.listdir("@course@/feedback"))
attempt("walk up from here", lambda: [str(p) for p in pathlib.Path.cwd().parents[0].glob("*/2_1_amp/*.ipynb")][0])
