# /// case
# item = "symlinked notebook"
# about = "the lab's folder is a link to a neighbour's"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import pathlib

    path.parent.rmdir()
    path.parent.symlink_to(pathlib.Path("@neighbour@").parent)
