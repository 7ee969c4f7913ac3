# /// case
# item = "further"
# about = "moves all its solutions into the first cell and leaves comments where they were"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    ids = ("zeroed", "unscale", "next_scale", "accumulate", "finish_step", "master_step")
    cells = {c["metadata"]["nbgrader"]["grade_id"]: c for c in notebook["cells"] if "nbgrader" in c["metadata"]}
    cells["zeroed"]["source"] = "\n\n\n".join("".join(cells[i]["source"]) for i in ids)
    for i in ids[1:]:
        cells[i]["source"] = "# see the first cell"
