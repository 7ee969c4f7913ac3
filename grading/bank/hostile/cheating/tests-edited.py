# /// case
# item = "edit test source"
# about = "replaces the source of every test cell by the number of its points"
# score = 0
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade") and cell["cell_type"] == "code":
            cell["source"] = repr(float(cell["metadata"]["nbgrader"]["points"]))
