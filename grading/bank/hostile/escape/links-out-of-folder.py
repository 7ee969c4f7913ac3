# /// case
# item = "symlink, FIFO or device as a reply"
# about = "fills its folder with links to files that must not be followed when the folder is removed"
# score = 0
# ///

# %% after setup
import os

for i, target in enumerate(("@submitted@", "@course@", "@canaries@", "@checkout@/solutions", "/")):
    os.symlink(target, f"link{i}")
    try:
        os.symlink(target, f"/tmp/@token@-link{i}")
    except OSError:
        pass
attempt("list a link", lambda: os.listdir("link2"))
attempt("write through a link", lambda: open("link2/@token@", "x").close())
attempt("link a file of the host", lambda: os.link("@canaries@/secret", "secret"))
attempt("read a file of the host", lambda: open("@canaries@/secret").read())
