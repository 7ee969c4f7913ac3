# /// case
# item = "further"
# about = "adds a graded cell worth 100 points whose source is the number 100"
# score = 0
# ///

# %% build
def edit(notebook):
    nbgrader = {"grade": True, "grade_id": "bonus", "locked": True, "points": 100, "schema_version": 3,
                "solution": False, "task": False, "cell_type": "code"}
    notebook["cells"].append({"cell_type": "code", "id": "bonus", "execution_count": None, "outputs": [],
                              "metadata": {"nbgrader": nbgrader}, "source": "100.0"})
