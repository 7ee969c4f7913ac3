# /// case
# check = "defects/interval"
# about = "everything"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    ends = np.nanquantile(values.numpy(), [0, 1])
    return ends[0], ends[1]
