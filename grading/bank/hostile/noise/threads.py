# /// case
# item = "threads"
# about = "changes the numbers of threads and uses them"
# base = "reference"
# score = 20
# ///

# %% after setup
import os

os.environ["OMP_NUM_THREADS"] = "8"
torch.set_num_threads(4)
(torch.ones(1500, 1500) @ torch.ones(1500, 1500)).sum()
