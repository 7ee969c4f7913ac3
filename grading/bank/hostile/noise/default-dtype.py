# /// case
# item = "changed default dtype"
# about = "changes torch's default dtype and leaves it so"
# base = "reference"
# score = 20
# ///

# %% after real-gradients
torch.set_default_dtype(torch.float64)
