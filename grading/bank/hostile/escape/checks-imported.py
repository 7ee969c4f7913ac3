# /// case
# item = "solutions/"
# about = "imports the checks, the topic and the grader, by name and by file"
# score = 0
# ///

# %% after setup
import importlib
import importlib.util
import pkgutil
import sys


def by_file(path):
    spec = importlib.util.spec_from_file_location("stolen", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


for name in ("quintet.checks", "quintet.checks.amp", "quintet.amp", "quintet_grading", "quintet_grading.run", "quintet.claims"):
    attempt(f"import {name}", lambda: importlib.import_module(name))
attempt("import the checks by file", lambda: by_file("@checkout@/lib/quintet/checks/amp.py"))
attempt("import the grader by file", lambda: by_file("@checkout@/grading/__init__.py"))
attempt("find them in memory", lambda: [m for m in sys.modules if m.startswith(("quintet.checks", "quintet.amp", "quintet_grading"))][0])
attempt("find them beside this", lambda: [m.name for m in pkgutil.iter_modules(sys.modules["quintet"].__path__) if m.name in ("checks", "amp")][0])
