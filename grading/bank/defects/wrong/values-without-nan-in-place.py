# /// case
# check = "defects/interval"
# about = "writes into the values"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    values[values.isnan()] = values.nanmedian()
    ends = np.nanquantile(values.numpy(), [tail, 1 - tail])
    return ends[0], ends[1]
