# /// case
# item = "stdout flood"
# about = "600 cells, each of which prints as much as a cell may"
# score = 0
# state = "any"
# ///

# %% after setup
print("loud" * 10_000)

# %% build
def edit(notebook):
    at = next(i for i, c in enumerate(notebook["cells"]) if "loud" in "".join(c["source"]))
    for k in range(600):
        notebook["cells"].insert(at + 1, {**notebook["cells"][at], "id": f"loud-{k}"})
