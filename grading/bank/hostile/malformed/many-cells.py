# /// case
# item = "500 MB notebook"
# about = "30,000 empty cells behind the lab's own"
# base = "reference"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    for i in range(30_000):
        notebook["cells"].append({"cell_type": "markdown", "id": f"n{i}", "metadata": {}, "source": ""})
