# /// case
# item = "broken JSON"
# about = "a file of no bytes"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    path.touch()
