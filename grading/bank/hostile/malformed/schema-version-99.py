# /// case
# item = "duplicate grade_id"
# about = "nbgrader's metadata of a version that does not exist"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["schema_version"] = 99
