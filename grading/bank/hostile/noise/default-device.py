# /// case
# item = "device"
# about = "changes torch's default device and leaves it so"
# base = "reference"
# score = 20
# ///

# %% before amp-accumulate
torch.set_default_device("meta")

# %% after amp-accumulate
torch.set_default_device("cpu")
