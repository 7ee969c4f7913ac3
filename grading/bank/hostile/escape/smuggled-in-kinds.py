# /// case
# item = "hidden inputs smuggled out"
# about = "after a check it forges answers whose kinds, keys and dtypes are the hidden inputs"
# score = 0
# state = "any"
# never = ["SMUGGLED"]
# ///

# %% after setup
import json

from quintet.student import host, wire

SEEN = []

# %% zeroed
def zeroed(grads, scale, dtype):
    SEEN.append(scale)
    return 0.0

# %% after amp-zeroed
def forged(value, handle):
    text = json.dumps({"v": {f"SMUGGLED {SEEN}": 1}, "n": []}).encode()
    return wire.HEAD.pack(len(text), 0) + text


class Forger:
    unpack, pack = staticmethod(wire.unpack), staticmethod(forged)


host.wire = Forger
