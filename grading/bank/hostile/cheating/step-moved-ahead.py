# /// case
# item = "call the check early with another function"
# about = "moves a later step ahead, keeps the trusted functions lent to it and answers the earlier steps with them"
# score = 0
# ///

# %% after setup
LENT = {}

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    LENT.update(unscale=unscale, next_scale=next_scale)
    return scale, streak, True

# %% unscale
def unscale(grads, scale):
    return LENT["unscale"](grads, scale)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return LENT["next_scale"](scale, streak, found_inf, growth, backoff, interval)

# %% build
def edit(notebook):
    cells = notebook["cells"]
    ahead = [c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") in ("finish_step", "amp-finish_step")]
    rest = [c for c in cells if c not in ahead]
    at = next(i for i, c in enumerate(rest) if c["metadata"].get("nbgrader", {}).get("grade_id") == "zeroed")
    notebook["cells"] = rest[:at] + ahead + rest[at:]
