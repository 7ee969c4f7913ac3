# /// case
# check = "defects/interval"
# about = "mean and standard deviations"
# ///

# %% interval
def interval(values, confidence):
    tail = (1 - confidence) / 2
    ends = np.nanmean(values) + np.nanstd(values) * stats.norm.ppf([tail, 1 - tail])
    return ends[0], ends[1]
