# /// case
# item = "infinite loop"
# about = "sleeps in many cells, each time a little less than a cell may take"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import time

for _ in range(1):
    time.sleep(4)

# %% build
def edit(notebook):
    at = next(i for i, c in enumerate(notebook["cells"]) if "time.sleep(4)" in "".join(c["source"]))
    for k in range(40):
        notebook["cells"].insert(at + 1, {**notebook["cells"][at], "id": f"slow-{k}"})
