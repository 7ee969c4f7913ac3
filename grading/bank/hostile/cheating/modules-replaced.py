# /// case
# item = "replace the reference in sys.modules"
# about = "puts modules of its own under the names of quintet, of its checks and of the wire"
# score = 0
# ///

# %% after setup
import sys
import types

for name in ("quintet.amp", "quintet.checks", "quintet.checks.amp", "quintet.checks.near", "quintet.student.proxy"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].near = sys.modules[name].run = sys.modules[name].find = lambda *args, **kwargs: None
