# /// case
# item = "symlinked notebook"
# about = "an honest notebook with links to the key, the gradebook and the class beside it"
# base = "reference"
# score = 20
# state = "any"
# never = ["SQLite format"]
# ///

# %% build
def write(notebook, path):
    import json

    path.write_text(json.dumps(notebook), encoding="utf-8")
    (path.parent / "key.txt").symlink_to("@key@")
    (path.parent / "book.db").symlink_to("@gradebook@")
    (path.parent / "class").symlink_to("@submitted@")
    (path.parent / "loop").symlink_to("loop")
