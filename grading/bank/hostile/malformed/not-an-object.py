# /// case
# item = "broken JSON"
# about = "JSON that is no object"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    path.write_text("[[], null, 1e999]", encoding="utf-8")
