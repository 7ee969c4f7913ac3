# /// case
# item = "symlinked notebook"
# about = "the notebook is a link to the gradebook, and another file to the key"
# score = 0
# state = "limited"
# never = ["SQLite format"]
# ///

# %% build
def write(notebook, path):
    path.symlink_to("@gradebook@")
    (path.parent / "data.csv").symlink_to("@key@")
