# /// case
# item = "hidden inputs smuggled out"
# about = "runs code under a file name and in a function whose names hold the hidden inputs"
# score = 0
# never = ["SMUGGLED"]
# ///

# %% after setup
def fail(text):
    names = {}
    exec(compile(f"def SMUGGLED_{text}():\n    raise ValueError\n", f"SMUGGLED-{text}.py", "exec"), names)
    names[f"SMUGGLED_{text}"]()

# %% zeroed
def zeroed(grads, scale, dtype):
    fail(f"{scale:.0f}")

# %% unscale
def unscale(grads, scale):
    fail(f"{scale:.0f}")
