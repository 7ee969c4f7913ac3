# /// case
# check = "amp/next_scale"
# misconception = "streak-kept-on-growth"
# about = "keeps counting after a growth"
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    if found_inf:
        return scale * backoff, 0
    if streak + 1 == interval:
        return scale * growth, streak + 1
    return scale, streak + 1
