# /// case
# item = "changed cell type"
# about = "test cells turned into raw and text cells, and said to be ungraded there"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    for i, cell in enumerate(notebook["cells"]):
        if cell["metadata"].get("nbgrader", {}).get("grade") and cell["cell_type"] == "code":
            cell["cell_type"] = ("raw", "markdown")[i % 2]
            cell["metadata"]["nbgrader"]["cell_type"] = cell["cell_type"]
            cell.pop("outputs", None), cell.pop("execution_count", None)
