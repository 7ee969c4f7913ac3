# /// case
# check = "defects/ablation"
# misconception = "not-paired"
# about = "two samples after Welch"
# ///

# %% paired
def paired(run, seeds, confidence):
    a, b = (np.array([run(arm, seed) for seed in seeds]) for arm in (True, False))
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    return a.mean() - b.mean(), ends.low, ends.high
