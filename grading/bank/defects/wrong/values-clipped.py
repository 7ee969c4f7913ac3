# /// case
# check = "defects/interval"
# about = "ends cut at 0 and 1, infinities and negative values lost"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    x = values.nan_to_num(nan=-1.0).clamp(max=1.0)
    x = x[x >= 0].numpy()
    return tuple(np.quantile(x, [tail, 1 - tail]).tolist())
