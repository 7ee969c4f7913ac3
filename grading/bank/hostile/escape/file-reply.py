# /// case
# item = "symlink, FIFO or device as a reply"
# about = "answers with open files, paths, memory maps and descriptors, and leaves links and pipes in its folder"
# score = 0
# ///

# %% after setup
import os
import pathlib

os.symlink("@gradebook@", "2_1_amp.ipynb")
os.symlink("@submitted@", "folder")
os.symlink("/", "root")
os.symlink("loop", "loop")
os.mkfifo("pipe")
attempt("read through the link", lambda: open("2_1_amp.ipynb", "rb").read(16))
attempt("list through the link", lambda: os.listdir("folder"))

# %% zeroed
def zeroed(grads, scale, dtype):
    return pathlib.Path("@key@")

# %% unscale
def unscale(grads, scale):
    return [open("/dev/zero", "rb"), memoryview(b"x")], os.stat("/")

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return "@key@", "file://@gradebook@"
