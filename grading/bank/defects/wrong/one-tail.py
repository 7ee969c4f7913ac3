# /// case
# check = "defects/ablation"
# about = "the quantile of the confidence itself"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf(confidence, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
