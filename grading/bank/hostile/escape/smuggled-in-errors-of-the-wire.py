# /// case
# item = "hidden inputs smuggled out"
# about = "during a check it forges an error whose kind, text and traceback are the hidden inputs"
# score = 0
# state = "any"
# never = ["SMUGGLED"]
# ///

# %% after setup
from quintet.student import host, wire

before = host.Host.handle


def handle(self, frame):
    if b'"run"' in frame[:200]:
        return before(self, frame)
    asked = wire.unpack(frame, lambda tree: tree)
    return wire.pack(["error", f"SMUGGLED{asked}"[:80], f"SMUGGLED {asked}", f'  File "SMUGGLED", line {len(str(asked))}'], None)


host.Host.handle = handle
