# /// case
# check = "defects/interval"
# misconception = "tails-not-halved"
# about = "cuts all of it off at each end"
# ///

# %% interval
def interval(values, confidence):
    tail = 1 - confidence
    ends = np.nanquantile(values.numpy(), [tail, 1 - tail])
    return ends[0], ends[1]
