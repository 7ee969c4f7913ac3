# /// case
# item = "broken JSON"
# about = "numbers that no type holds and NaN where numbers stand, in metadata and counts"
# base = "reference"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json

    notebook["metadata"]["x"] = float("nan")
    notebook["cells"][2]["execution_count"] = 7
    text = json.dumps(notebook).replace('"execution_count": 7', '"execution_count": ' + "9" * 10_000)
    path.write_text(text, encoding="utf-8")
