# /// case
# item = "wrong file name"
# about = "a timestamp that is no time"
# base = "reference"
# score = 20
# ///

# %% build
def write(notebook, path):
    import json

    path.write_text(json.dumps(notebook), encoding="utf-8")
    (path.parent / "timestamp.txt").write_text("yesterday <b>evening</b>\n\x00" * 1000, encoding="utf-8")
