# /// case
# item = "solutions/"
# about = "plants code where the grader, the next submission or the instructor's shell would import it"
# score = 0
# ///

# %% after setup
import os
import site
import sys

PLACES = ["@checkout@/lib/quintet", "@checkout@/solutions", "@checkout@", os.path.dirname(sys.modules["quintet"].__file__),
          *site.getsitepackages(), os.path.expanduser("~"), "/root", "/etc", "/usr/local/bin", "/var/spool/cron"]
for place in PLACES:
    def plant():
        if os.path.realpath(place).startswith(("/tmp", os.getcwd())):
            raise PermissionError("its own folder, which ends with it")
        with open(os.path.join(place, "@token@.pth"), "x") as out:
            out.write("import os\n")

    attempt(f"plant a file in {place}", plant)
for package in ("torch", "numpy", "IPython"):
    attempt(f"change {package}", lambda: open(sys.modules[package].__file__, "a").close())
