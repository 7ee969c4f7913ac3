# /// case
# item = "duplicate grade_id"
# about = "nbgrader's metadata with fields of every wrong type"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    for i, cell in enumerate(notebook["cells"]):
        nbgrader = cell["metadata"].get("nbgrader")
        if nbgrader:
            nbgrader.update(points=["x", None, -5, 1e308, {}][i % 5], locked="no", task=[1], checksum=7, cell_type=None, extra={"a": []})
