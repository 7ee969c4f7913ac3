# /// case
# check = "defects/interval"
# about = "high before low"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    ends = np.nanquantile(values.numpy(), [tail, 1 - tail])
    return ends[1], ends[0]
