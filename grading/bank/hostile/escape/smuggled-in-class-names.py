# /// case
# item = "hidden inputs smuggled out"
# about = "puts the hidden inputs into the names of classes: of exceptions and of what it answers"
# score = 0
# never = ["SMUGGLED"]
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    raise type(f"SMUGGLED{scale:.0f}", (Exception,), {})

# %% unscale
def unscale(grads, scale):
    return type(f"SMUGGLED{scale:.0f}", (), {})()

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return {f"SMUGGLED{scale}": streak}
