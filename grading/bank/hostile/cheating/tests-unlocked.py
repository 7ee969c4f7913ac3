# /// case
# item = "edit test source"
# about = "unlocks the test cells, makes them ungraded or solutions, and removes their checksums"
# score = 0
# ///

# %% build
def edit(notebook):
    for i, cell in enumerate(notebook["cells"]):
        nbgrader = cell["metadata"].get("nbgrader", {})
        if nbgrader.get("grade") and cell["cell_type"] == "code":
            nbgrader.update(locked=False, grade=bool(i % 2), solution=True, checksum="0" * 32)
            cell["source"] = "20.0"
