# /// case
# item = "further"
# about = "turns every warning into an error and leaves it so"
# base = "reference"
# score = 20
# ///

# %% before amp-zeroed
import warnings

warnings.simplefilter("error")

# %% after amp-master_step
warnings.resetwarnings()
