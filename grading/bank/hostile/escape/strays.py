# /// case
# item = "other submissions"
# about = "leaves files in every folder that it may write, hidden, unreadable and deeply nested"
# score = 0
# ///

# %% after setup
import os
import tempfile

for place in (".", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", tempfile.gettempdir(), os.path.expanduser("~"), "/var/crash"):
    try:
        top = os.path.join(place, ".@token@")
        os.makedirs(top, exist_ok=True)
        open(os.path.join(top, "immutable"), "w").close()
        os.chmod(os.path.join(top, "immutable"), 0)
        path = top
        for _ in range(100):
            path = os.path.join(path, "deeper")
            os.mkdir(path)
        os.chmod(top, 0)
    except OSError:
        pass
attempt("write outside of its folders", lambda: open("/@token@", "x").close())
