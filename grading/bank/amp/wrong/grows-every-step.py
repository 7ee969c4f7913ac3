# /// case
# check = "amp/next_scale"
# misconception = "grows-every-step"
# about = "grows after each clean step"
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    if found_inf:
        return scale * backoff, 0
    return scale * growth, streak + 1
