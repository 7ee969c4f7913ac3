# /// case
# item = "input()"
# about = "asks its reader for input, a password and a debugger's next command"
# base = "reference"
# score = 20
# ///

# %% after setup
name = input("your name? ")

# %% after zeroed
import getpass

getpass.getpass()

# %% after unscale
breakpoint()

# %% after next_scale
import sys

sys.stdin.read(1)
