# /// case
# check = "defects/interval"
# about = "95 %, whatever is asked for"
# ///

# %% interval
def interval(values, confidence):
    tail = 0.025
    ends = np.nanquantile(values.numpy(), [tail, 1 - tail])
    return ends[0], ends[1]
