# /// case
# check = "amp/next_scale"
# misconception = "grows-a-step-late"
# about = "compares the streak before this step with the interval"
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    if found_inf:
        return scale * backoff, 0
    if streak == interval:
        return scale * growth, 0
    return scale, streak + 1
