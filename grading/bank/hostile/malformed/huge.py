# /// case
# item = "500 MB notebook"
# about = "a file of 500 MB, most of it a hole in the middle of a text"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import json

    with open(path, "wb") as out:
        out.write(json.dumps(notebook).encode()[:-1] + b', "x": "')
        out.seek(500 * 2**20)
        out.write(b'"}')
