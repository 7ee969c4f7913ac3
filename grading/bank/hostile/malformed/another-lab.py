# /// case
# item = "broken JSON"
# about = "a notebook that has nothing to do with the lab"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    notebook["cells"] = [{"cell_type": "code", "id": "x", "metadata": {}, "source": "1 + 1", "outputs": [], "execution_count": None}]
