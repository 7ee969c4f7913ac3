# /// case
# item = "broken JSON"
# about = "a notebook that ends in the middle"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json

    text = json.dumps(notebook)
    path.write_text(text[: len(text) // 2], encoding="utf-8")
