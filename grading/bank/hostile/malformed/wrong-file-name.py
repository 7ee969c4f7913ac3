# /// case
# item = "wrong file name"
# about = "the notebook bears another name"
# score = 0
# state = "any"
# ///

# %% build
def write(notebook, path):
    import json

    path.with_name("2_1_amp (1).ipynb").write_text(json.dumps(notebook), encoding="utf-8")
