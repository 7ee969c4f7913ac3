# /// case
# item = "C++ output"
# about = "prints from C, past Python's streams, in cells and inside its steps"
# base = "reference"
# score = 20
# ///

# %% after setup
import ctypes
import os

libc = ctypes.CDLL(None)


def say():
    libc.puts(b"from C")
    libc.fflush(None)
    os.write(1, b"to 1\n")
    os.write(2, b"to 2\n")


say()
torch._C._log_api_usage_once("noise")

# %% unscale
def unscale(grads, scale):
    say()
    unscaled = [g.float() / scale for g in grads]
    return unscaled, not all(torch.isfinite(g).all() for g in unscaled)
