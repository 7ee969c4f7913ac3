# /// case
# item = "further"
# about = "changes the recursion limit"
# base = "reference"
# score = 20
# ///

# %% after setup
import sys

sys.setrecursionlimit(10_000)

# %% before amp-next_scale
sys.setrecursionlimit(150)

# %% after amp-next_scale
sys.setrecursionlimit(3_000)
