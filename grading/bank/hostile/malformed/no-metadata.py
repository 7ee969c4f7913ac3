# /// case
# item = "unknown kernelspec"
# about = "no metadata at all, neither of the notebook nor of its cells"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    notebook["metadata"] = {}
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
