# /// case
# item = "broken JSON"
# about = "cells that are numbers, sources that are objects, metadata that is text"
# score = 0
# state = "any"
# ///

# %% build
def edit(notebook):
    notebook["cells"] += [1, None, "x", [], {}, {"cell_type": "code"}, {"cell_type": "alien", "metadata": {}, "source": ""},
                          {"cell_type": "code", "metadata": "x", "source": 1, "outputs": {}, "execution_count": "x"},
                          {"cell_type": "markdown", "metadata": {"nbgrader": [1]}, "source": {"a": 1}},
                          {"cell_type": "markdown", "metadata": {"nbgrader": {"grade_id": [1], "grade": "yes"}}, "source": [1, 2]}]
    notebook["metadata"] = "x"
