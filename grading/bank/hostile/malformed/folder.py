# /// case
# item = "symlinked notebook"
# about = "the notebook is a folder"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    path.mkdir()
