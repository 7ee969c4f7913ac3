# /// case
# item = "duplicate grade_id"
# about = "a test cell occurs three times"
# base = "reference"
# score = 20
# ///

# %% build
def edit(notebook):
    at = next(i for i, c in enumerate(notebook["cells"]) if "amp/unscale" in "".join(c["source"]) and c["cell_type"] == "code")
    for k in range(2):
        notebook["cells"].insert(at + 1, {**notebook["cells"][at], "id": f"copied{k}"})
