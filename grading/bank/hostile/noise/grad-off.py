# /// case
# item = "further"
# about = "switches gradients off and leaves it so"
# base = "reference"
# score = 20
# ///

# %% before amp-accumulate
torch.set_grad_enabled(False)

# %% after amp-accumulate
torch.set_grad_enabled(True)
