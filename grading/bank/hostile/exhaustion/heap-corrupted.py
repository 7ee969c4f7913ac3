# /// case
# item = "segfault"
# about = "overwrites its own memory until something breaks"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import ctypes

ctypes.memset(id(None), 0xFF, 64)
ctypes.memset(id(int), 0xFF, 4096)
ctypes.string_at(1)
