# /// case
# item = "solutions/"
# about = "searches every folder that it may read for the solution and the checks"
# score = 0
# ///

# %% after setup
import os


def search(*tops):
    for top in tops:
        for folder, _, files in os.walk(top):
            if "2_1_amp.ipynb" in files or "amp.py" in files and folder.endswith("checks"):
                return folder
    raise FileNotFoundError("no solution")


attempt("read the solution", lambda: open("@checkout@/solutions/2_1_amp/2_1_amp.ipynb").read()[:20])
attempt("read the checks", lambda: open("@checkout@/lib/quintet/checks/amp.py").read()[:20])
attempt("list the checkout", lambda: [n for n in os.listdir("@checkout@") if n not in (".venv", "lib")][0])
attempt("find the solution", lambda: search("@checkout@/solutions", "@checkout@/lib", "/quintet", "/srv", "/home", "/root"))
attempt("the grader's folder by /proc", lambda: os.listdir("/proc/@grader@/cwd"))
attempt("the parent's folder by /proc", lambda: [n for n in os.listdir(f"/proc/{os.getppid()}/cwd") if n == "solutions"][0])
