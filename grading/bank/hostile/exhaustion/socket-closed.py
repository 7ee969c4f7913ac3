# /// case
# item = "os._exit(0)"
# about = "closes every descriptor that it has and goes on"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import os

os.closerange(3, 1024)
