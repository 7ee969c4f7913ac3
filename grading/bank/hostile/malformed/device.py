# /// case
# item = "symlinked notebook"
# about = "the notebook is a link to a device without an end"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    path.symlink_to("/dev/zero")
