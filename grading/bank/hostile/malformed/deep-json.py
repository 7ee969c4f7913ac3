# /// case
# item = "broken JSON"
# about = "brackets nested a million deep"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    path.write_text('{"cells":' + "[" * 1_000_000 + "]" * 1_000_000 + "}", encoding="utf-8")
