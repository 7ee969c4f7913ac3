# /// case
# item = "further"
# about = "lets numpy raise where it would warn, and print few digits"
# base = "reference"
# score = 20
# ///

# %% after setup
import numpy as np

np.seterr(all="raise")
np.set_printoptions(precision=1, threshold=3)
torch.set_printoptions(precision=1, threshold=3)
