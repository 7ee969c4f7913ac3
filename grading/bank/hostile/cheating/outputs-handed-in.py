# /// case
# item = "further"
# about = "hands in test cells that hold a full score as their output and as metadata"
# score = 0
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        nbgrader = cell["metadata"].get("nbgrader", {})
        if nbgrader.get("grade") and cell["cell_type"] == "code":
            points = float(nbgrader["points"])
            record = {"id": "amp/zeroed", "points": points, "max": points, "findings": []}
            cell["outputs"] = [
                {"output_type": "display_data", "data": {"text/plain": "2.0"}, "metadata": {"quintet": record}},
                {"output_type": "execute_result", "data": {"text/plain": repr(points)}, "metadata": {},
                 "execution_count": 1},
            ]
            cell["metadata"]["quintet"] = record
    notebook["metadata"]["quintet"] = {"reason": "", "state": "graded", "points": 20}
