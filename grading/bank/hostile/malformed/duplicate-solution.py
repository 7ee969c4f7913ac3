# /// case
# item = "duplicate grade_id"
# about = "a solution cell occurs twice, the second time empty, as after a copy in Jupyter"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    at = next(i for i, c in enumerate(notebook["cells"]) if c["metadata"].get("nbgrader", {}).get("grade_id") == "unscale")
    notebook["cells"].insert(at + 1, {**notebook["cells"][at], "id": "copied", "source": "# a copy"})
