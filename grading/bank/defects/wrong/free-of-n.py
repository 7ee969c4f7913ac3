# /// case
# check = "defects/ablation"
# about = "n degrees of freedom"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
