# /// case
# item = "broken JSON"
# about = "a notebook with the marks of an unfinished merge"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json

    text = json.dumps(notebook, indent=1)
    path.write_text("<<<<<<< HEAD\n" + text + "\n=======\n" + text + "\n>>>>>>> main\n", encoding="utf-8")
