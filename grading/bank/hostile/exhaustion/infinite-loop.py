# /// case
# item = "infinite loop"
# about = "a cell never ends"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
while True:
    pass
