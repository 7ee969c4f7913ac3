# /// case
# item = "broken JSON"
# about = "a notebook without a cell"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    notebook["cells"] = []
