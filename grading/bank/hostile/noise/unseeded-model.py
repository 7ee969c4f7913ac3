# /// case
# item = "unseeded model"
# about = "draws random numbers everywhere and seeds nothing, or with the time"
# base = "reference"
# score = 20
# ///

# %% after setup
import random
import time

import numpy as np

torch.manual_seed(time.time_ns() % 2**31)
np.random.seed(time.time_ns() % 2**31)
random.seed()
torch.nn.Linear(7, 7)
random.random(), np.random.rand(3), torch.rand(3)
