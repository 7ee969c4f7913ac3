# /// case
# check = "defects/ablation"
# about = "without minus with"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(False, seed) - run(True, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
