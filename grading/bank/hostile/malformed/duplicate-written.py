# /// case
# item = "duplicate grade_id"
# about = "the written answer occurs twice, once as code"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    cell = next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "amp-written")
    notebook["cells"].append({**cell, "id": "copied", "cell_type": "code", "execution_count": None, "outputs": []})
