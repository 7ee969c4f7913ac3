# /// case
# item = "segfault"
# about = "reads address zero"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import ctypes

ctypes.string_at(0)
