# /// case
# item = "broken JSON"
# about = "bytes that are no text in UTF-8"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json

    path.write_bytes(json.dumps(notebook).encode("utf-16") + b"\xff\xfe\x00")
