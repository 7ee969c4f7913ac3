# /// case
# item = "delete a test cell"
# about = "deletes every test cell"
# score = 0
# ///

# %% build
def edit(notebook):
    notebook["cells"] = [
        c for c in notebook["cells"] if not c["metadata"].get("nbgrader", {}).get("grade") or c["cell_type"] != "code"
    ]
