# /// case
# check = "defects/interval"
# about = "NaN counts as 0"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    ends = np.nanquantile(np.nan_to_num(values.numpy()), [tail, 1 - tail])
    return ends[0], ends[1]
