# /// case
# item = "other submissions"
# about = "opens the data that all submissions share for writing"
# score = 0
# ///

# %% after setup
import os

from quintet import data

CACHE = os.environ.get("QUINTET_CACHE") or str(data.cache_dir())
attempt("add to the cache", lambda: open(os.path.join(CACHE, "@token@"), "x").close())
for folder, _, files in os.walk(CACHE):
    for name in files[:2]:
        attempt(f"write {name}", lambda: open(os.path.join(folder, name), "r+b").close())
        attempt(f"rename {name}", lambda: os.rename(os.path.join(folder, name), os.path.join(folder, name)) or os.utime(os.path.join(folder, name)))
attempt("replace the cache", lambda: os.symlink("/tmp", CACHE + "/@token@-link"))
