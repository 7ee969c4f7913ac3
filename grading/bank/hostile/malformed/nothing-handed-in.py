# /// case
# item = "wrong file name"
# about = "an empty folder"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    pass
