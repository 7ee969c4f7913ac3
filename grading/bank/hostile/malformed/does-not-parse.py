# /// case
# item = "further"
# about = "solution cells that are no Python, null bytes and magics among them"
# base = "reference"
# score = 15
# ///

# %% master_step
def master_step(masters, grads, lr, dtype
    return

# %% zeroed
%load_ext nothing
!false
zeroed =

# %% after setup
x = "nul \x00 byte"; %%
