# /// case
# check = "defects/ablation"
# about = "ends cut off at -1 and 1, wrong for a metric in percent"
# ///

# %% paired
def paired(run, seeds, confidence):
    d = np.array([run(True, s) - run(False, s) for s in seeds])
    n = len(d)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * d.std(ddof=1) / math.sqrt(n)
    return d.mean(), max(d.mean() - half, -1.0), min(d.mean() + half, 1.0)
