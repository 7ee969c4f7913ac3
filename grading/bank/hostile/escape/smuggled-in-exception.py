# /// case
# item = "hidden inputs smuggled out"
# about = "raises the hidden inputs as the text of an exception"
# score = 0
# never = ["SMUGGLED"]
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    raise ValueError(f"SMUGGLED {grads[0].tolist()} {scale}")

# %% unscale
def unscale(grads, scale):
    raise NotImplementedError(f"SMUGGLED {grads[0].tolist()} {scale}")

# %% next_scale
def next_scale(scale, *args, **kwargs):
    raise KeyError(f"SMUGGLED {scale} {args} {kwargs}")
