# /// case
# item = "a C-level hang that ignores interrupts"
# about = "sleeps in C with the interpreter's lock held and all signals blocked"
# base = "reference"
# score = 5
# state = "limited"
# ///

# %% after amp-unscale
import ctypes
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
ctypes.PyDLL(None).sleep(60)
