# /// case
# item = "nbformat 3"
# about = "a notebook in a format that does not exist yet"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    notebook["nbformat"] = 99
