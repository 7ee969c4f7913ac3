# /// case
# item = "a C-level hang that ignores interrupts"
# about = "a regular expression that takes longer than the age of the universe"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import re

re.match(r"(a+)+$", "a" * 64 + "b")
