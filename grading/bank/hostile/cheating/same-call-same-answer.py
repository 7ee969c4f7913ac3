# /// case
# item = "memorise across repeated calls"
# about = "echoes: answers with what it was given, or with what it answered last"
# score = 0
# ///

# %% after setup
LAST = {}

# %% zeroed
def zeroed(grads, scale, dtype):
    LAST["n"] = LAST.get("n", 0) + 1
    return [0.5, 0.0, 0.0, 0.0][LAST["n"] % 4]

# %% unscale
def unscale(grads, scale):
    LAST["grads"] = LAST.get("grads", grads)
    return LAST["grads"], scale == 0

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return scale, streak

# %% master_step
def master_step(masters, grads, lr, dtype):
    return masters, grads
