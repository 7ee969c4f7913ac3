# /// case
# check = "defects/ablation"
# about = "the range of the differences"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, differences.min(), differences.max()
