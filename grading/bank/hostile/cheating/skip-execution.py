# /// case
# item = "skip-execution tags"
# about = "tags the test cells so that a stock runner leaves them out"
# score = 0
# fools = "asserts"
# ///

# %% build
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "nbgrader-skip"]
