# /// case
# item = "hidden inputs smuggled out"
# about = "keeps the hidden inputs and prints them in the cells that come after the checks"
# score = 0
# never = ["SMUGGLED"]
# ///

# %% after setup
SEEN = []

# %% zeroed
def zeroed(grads, scale, dtype):
    SEEN.append(scale)
    return 0.0

# %% unscale
def unscale(grads, scale):
    SEEN.append(scale)
    return grads, False

# %% after amp-unscale
import sys

from IPython.display import Markdown, display

print("SMUGGLED", SEEN)
print("SMUGGLED", SEEN, file=sys.stderr)
display(Markdown(f"SMUGGLED {SEEN}"))
f"SMUGGLED {SEEN}"

# %% after amp-master_step
raise ValueError(f"SMUGGLED {SEEN}")
