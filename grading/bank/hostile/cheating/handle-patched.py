# /// case
# item = "further"
# about = "replaces the function that answers the referee: ok and True, whatever was asked"
# score = 0
# state = "any"
# ///

# %% after setup
from quintet.student import host, wire

YES = wire.pack(["ok", True], None)
before = host.Host.handle
host.Host.handle = lambda self, frame: before(self, frame) if b'"run"' in frame[:200] else YES
