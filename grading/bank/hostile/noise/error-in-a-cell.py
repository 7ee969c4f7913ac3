# /// case
# item = "further"
# about = "leaves cells of its own that fail"
# base = "reference"
# score = 20
# ///

# %% after setup
1 / 0

# %% after zeroed
assert False

# %% after unscale
import nothing_of_this_name
