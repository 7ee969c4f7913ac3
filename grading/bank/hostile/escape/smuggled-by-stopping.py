# /// case
# item = "hidden inputs smuggled out"
# about = "prints the hidden inputs during a check, on both streams and past Python, then ends the process"
# score = 0
# state = "limited"
# never = ["SMUGGLED"]
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    import os
    import sys

    print("SMUGGLED", scale)
    print("SMUGGLED", scale, file=sys.stderr, flush=True)
    os.write(1, b"SMUGGLED")
    os.write(2, b"SMUGGLED")
    os._exit(7)
