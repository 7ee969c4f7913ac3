# /// case
# item = "changed cell type"
# about = "the written answer turned into a code cell that runs"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "amp-written":
            cell.update(cell_type="code", outputs=[], execution_count=None, source="1 / 0")
