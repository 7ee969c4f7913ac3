# /// case
# check = "defects/interval"
# about = "quantiles of what holds NaN"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    ends = np.quantile(values.numpy(), [tail, 1 - tail])
    return ends[0], ends[1]
