# /// case
# item = "segfault"
# about = "recurses in C until the stack ends"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import sys

sys.setrecursionlimit(10**9)


class Deep:
    def __repr__(self):
        return repr([self])


repr(Deep())
