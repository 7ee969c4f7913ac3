# /// case
# item = "memorise across repeated calls"
# about = "stores what it is asked in files, for a later call, cell or run to answer from"
# score = 0
# ///

# %% after setup
import os
import pathlib
import pickle

PLACES = [pathlib.Path(p) for p in (".", "~", "/tmp", "/var/tmp", "/dev/shm", "@checkout@", os.environ.get("QUINTET_CACHE", "."))]


def remember(name, value):
    for place in PLACES:
        try:
            with open(place.expanduser() / f"@token@-{name}", "ab") as out:
                pickle.dump(value, out)
        except OSError:
            pass

# %% zeroed
def zeroed(grads, scale, dtype):
    remember("zeroed", (grads, scale))
    return 0.0

# %% unscale
def unscale(grads, scale):
    remember("unscale", (grads, scale))
    return [torch.zeros_like(g) for g in grads], False
