# /// case
# check = "amp/next_scale"
# misconception = "streak-kept-on-backoff"
# about = "keeps counting through an overflow"
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    if found_inf:
        return scale * backoff, streak
    if streak + 1 == interval:
        return scale * growth, 0
    return scale, streak + 1
