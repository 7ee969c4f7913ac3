# /// case
# item = "changed cell type"
# about = "a solution cell turned into a text cell"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "master_step":
            cell["cell_type"] = "markdown"
            cell.pop("outputs", None), cell.pop("execution_count", None)
