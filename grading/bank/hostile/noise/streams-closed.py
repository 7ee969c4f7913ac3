# /// case
# item = "further"
# about = "closes the standard streams"
# base = "reference"
# score = 20
# ///

# %% after setup
import sys

sys.stdout.close()
sys.stderr.close()
