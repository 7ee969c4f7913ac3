# /// case
# item = "symlinked notebook"
# about = "the notebook is a socket"
# score = 0
# state = "limited"
# ///

# %% build
def write(notebook, path):
    import os
    import socket

    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
    finally:
        os.chdir(here)
