# /// case
# item = "path traversal in a zip"
# about = "a zip whose members climb out of the folder, in place of the notebook and beside it"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json
    import zipfile

    for place in (path, path.with_suffix(".zip")):
        with zipfile.ZipFile(place, "w") as out:
            out.writestr("2_1_amp.ipynb", json.dumps(notebook))
            for name in ("../../cheated/2_1_amp/2_1_amp.ipynb", "/tmp/@token@", "..\\..\\@token@", "@canaries@/secret", "@marker@"):
                out.writestr(name, "owned")
