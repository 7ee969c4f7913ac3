# /// case
# item = "500 MB notebook"
# about = "an output of 30 MB on one line"
# base = "reference"
# score = 0
# state = "limited"
# ///

# %% build
def edit(notebook):
    cell = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 30_000_000}]
