# /// case
# item = "symlinked notebook"
# about = "the notebook is a named pipe that nobody writes to"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import os

    os.mkfifo(path)
